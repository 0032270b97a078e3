-- Grain: one row per code and severity of rejected bodies, records and fields.
-- Scope: slots in [:window_start, :window_end) of :feed.
SELECT
    code,
    severity,
    CAST(SUM(flat_rejects.reject_count) AS BIGINT) AS reject_count,
    COUNT(DISTINCT place) AS place_count
FROM ops.flat_rejects
WHERE
    feed = :feed
    AND slot_at >= :window_start
    AND slot_at < :window_end
GROUP BY code, severity
ORDER BY reject_count DESC, code ASC, severity ASC;

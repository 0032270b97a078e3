-- Grain: one row per local day of :feed in :time_zone: its slots and responses.
-- Scope: slots in [:window_start, :window_end).
SELECT
    DATE_TRUNC('day', CONVERT_TIMEZONE('UTC', :time_zone, slot_at)) AS local_date,
    MIN(slot_at) AS first_at,
    COUNT(DISTINCT slot_at) AS poll_count,
    COUNT(*) AS answer_count,
    CAST(SUM(CASE WHEN outcome IN ('ok', 'not_modified') THEN 1 ELSE 0 END) AS INTEGER) AS ok_count,
    CAST(
        SUM(CASE WHEN outcome NOT IN ('ok', 'not_modified') THEN 1 ELSE 0 END) AS INTEGER
    ) AS failed_count
FROM warehouse.fact_poll
WHERE
    feed = :feed
    AND slot_at >= :window_start
    AND slot_at < :window_end
GROUP BY DATE_TRUNC('day', CONVERT_TIMEZONE('UTC', :time_zone, slot_at))
ORDER BY DATE_TRUNC('day', CONVERT_TIMEZONE('UTC', :time_zone, slot_at));

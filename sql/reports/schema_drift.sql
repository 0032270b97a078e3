-- Grain: one row per set of unknown fields (canonical JSON) in responses, with their number.
-- Scope: slots in [:window_start, :window_end) of :feed.
SELECT
    unknown_fields,
    COUNT(*) AS answer_count
FROM warehouse.fact_poll
WHERE
    feed = :feed
    AND slot_at >= :window_start
    AND slot_at < :window_end
    AND unknown_fields IS NOT NULL
GROUP BY unknown_fields
ORDER BY answer_count DESC, unknown_fields ASC;

-- Grain: one row per set of fields (schema fingerprint) in responses of :feed.
-- Scope: slots in [:window_start, :window_end).
SELECT
    schema_fingerprint,
    COUNT(*) AS answer_count,
    COUNT(DISTINCT place) AS place_count,
    MIN(slot_at) AS first_at,
    MAX(slot_at) AS last_at,
    MAX(unknown_fields) AS unknown_fields
FROM warehouse.fact_poll
WHERE
    feed = :feed
    AND outcome IN ('ok', 'not_modified')
    AND slot_at >= :window_start
    AND slot_at < :window_end
GROUP BY schema_fingerprint
ORDER BY MIN(slot_at), schema_fingerprint;

-- Grain: one row per id that occurred several times in a response; only one record is loaded.
-- Scope: slots in [:window_start, :window_end).
SELECT
    feed,
    place,
    entity,
    entity_id,
    CAST(SUM(flat_rejects.reject_count) AS BIGINT) AS reject_count,
    MIN(pointer) AS pointer,
    MIN(raw_key) AS raw_key
FROM ops.flat_rejects
WHERE
    slot_at >= :window_start
    AND slot_at < :window_end
    AND code = 'duplicate_key'
GROUP BY feed, place, entity, entity_id
ORDER BY reject_count DESC, feed ASC, place ASC, entity ASC, entity_id ASC;

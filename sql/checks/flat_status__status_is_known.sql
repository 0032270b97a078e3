-- Grain: one row per EVSE that was UNKNOWN in every poll of the hour that reported it.
-- Scope: slots in [:window_start, :window_end).
SELECT
    feed,
    place,
    evse_uid,
    CAST(SUM(poll_count) AS INTEGER) AS poll_count
FROM staging.flat_status
WHERE
    slot_at >= :window_start
    AND slot_at < :window_end
GROUP BY feed, place, evse_key, evse_uid
HAVING MIN(CASE WHEN status = 'UNKNOWN' THEN 1 ELSE 0 END) = 1
ORDER BY poll_count DESC, feed ASC, place ASC, evse_uid ASC;

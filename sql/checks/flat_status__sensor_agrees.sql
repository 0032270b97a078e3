-- Grain: one row per EVSE that is in use or blocked while its parking sensor sees no car.
-- Scope: slots in [:window_start, :window_end).
SELECT
    feed,
    place,
    evse_uid,
    status,
    parking_status,
    CAST(SUM(poll_count) AS INTEGER) AS poll_count
FROM staging.flat_status
WHERE
    slot_at >= :window_start
    AND slot_at < :window_end
    AND status IN ('CHARGING', 'BLOCKED')
    AND parking_status IN ('AVAILABLE', 'FREE', 'VACANT')
GROUP BY feed, place, evse_key, evse_uid, status, parking_status
ORDER BY poll_count DESC, feed ASC, place ASC, evse_uid ASC;

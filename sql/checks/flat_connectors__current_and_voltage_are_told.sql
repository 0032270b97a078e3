-- Grain: one row per connector without current, voltage or power above 0.
-- Scope: slots in [:window_start, :window_end).
SELECT DISTINCT
    feed,
    place,
    connector_id,
    evse_uid,
    power_type,
    ampere,
    voltage,
    max_power_kw
FROM staging.flat_connectors
WHERE
    slot_at >= :window_start
    AND slot_at < :window_end
    AND (
        COALESCE(ampere, 0) <= 0
        OR COALESCE(voltage, 0) <= 0
        OR COALESCE(max_power_kw, 0) <= 0
    )
ORDER BY feed, place, connector_id;

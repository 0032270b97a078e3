-- Grain: one row per connector with a power of at most 3 kW.
-- Scope: slots in [:window_start, :window_end).
SELECT DISTINCT
    feed,
    place,
    connector_id,
    evse_uid,
    evse_key,
    standard,
    ampere,
    voltage,
    max_power_kw
FROM staging.flat_connectors
WHERE
    slot_at >= :window_start
    AND slot_at < :window_end
    AND max_power_kw > 0
    AND max_power_kw <= 3
ORDER BY feed, place, connector_id, evse_uid, evse_key;

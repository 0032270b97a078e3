-- Grain: one row per connector without a plausible current, voltage or power.
-- Scope: slots in [:window_start, :window_end).
SELECT DISTINCT
    feed,
    place,
    connector_id,
    evse_uid,
    evse_key,
    power_type,
    ampere,
    voltage,
    max_power_kw
FROM staging.flat_connectors
WHERE
    slot_at >= :window_start
    AND slot_at < :window_end
    AND (ampere IS NULL OR voltage IS NULL OR max_power_kw IS NULL)
ORDER BY feed, place, connector_id, evse_uid, evse_key;

-- Grain: one row per connector and distinct attribute state, of those seen in the hour.
-- Scope: states that warehouse.connector_attributes does not have yet; slots in
-- [:window_start, :window_end). Rows of one state are equal, so any of them will do.
SELECT DISTINCT
    connector_key,
    attribute_hash,
    feed,
    connector_id,
    evse_key,
    evse_uid,
    standard,
    format,
    power_type,
    ampere,
    voltage,
    max_power_kw,
    tariff_id,
    extra
FROM staging.flat_connectors
WHERE
    slot_at >= :window_start
    AND slot_at < :window_end;

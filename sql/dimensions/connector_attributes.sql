-- Grain: one row per connector and distinct attribute state that one of its versions names.
-- States are those held and those of the hour; rows of one state are equal.
-- Scope: the connectors in touched_entity; the hour's slots are in [:window_start, :window_end).
WITH told AS (
    SELECT
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
    FROM warehouse.connector_attributes
    WHERE connector_key IN (SELECT touched_entity.entity_key FROM touched_entity)
    UNION
    SELECT
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
        AND slot_at < :window_end
        AND connector_key IN (SELECT touched_entity.entity_key FROM touched_entity)
),

named AS (
    SELECT DISTINCT
        entity_key,
        attribute_hash
    FROM warehouse.entity_version
    WHERE
        entity_type = 'connector'
        AND entity_key IN (SELECT touched_entity.entity_key FROM touched_entity)
)

SELECT
    told.connector_key,
    told.attribute_hash,
    told.feed,
    told.connector_id,
    told.evse_key,
    told.evse_uid,
    told.standard,
    told.format,
    told.power_type,
    told.ampere,
    told.voltage,
    told.max_power_kw,
    told.tariff_id,
    told.extra
FROM told
INNER JOIN named
    ON
        told.connector_key = named.entity_key
        AND told.attribute_hash = named.attribute_hash;

-- Grain: one row per connector and distinct attribute state that one of its versions names.
-- States are those held and those of the hour; rows of one state are equal, so one is enough.
-- Scope: the connectors in touched_entity; the hour's slots are in [:window_start, :window_end).
WITH first_told AS (
    SELECT
        connector_key,
        attribute_hash,
        MIN(slot_at) AS slot_at
    FROM staging.flat_connectors
    WHERE
        slot_at >= :window_start
        AND slot_at < :window_end
        AND connector_key IN (SELECT touched_entity.entity_key FROM touched_entity)
    GROUP BY connector_key, attribute_hash
),

told AS (
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
        states.connector_key,
        states.attribute_hash,
        states.feed,
        states.connector_id,
        states.evse_key,
        states.evse_uid,
        states.standard,
        states.format,
        states.power_type,
        states.ampere,
        states.voltage,
        states.max_power_kw,
        states.tariff_id,
        states.extra
    FROM staging.flat_connectors AS states
    INNER JOIN first_told
        ON
            states.connector_key = first_told.connector_key
            AND states.attribute_hash = first_told.attribute_hash
            AND states.slot_at = first_told.slot_at
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

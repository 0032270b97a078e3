-- Grain: one row per connector and distinct attribute state that one of its versions names.
-- States are those of the hour and, where it does not have them, those held. Rows of one state are
-- equal unless somebody made their hashes meet, so any one is enough; there is never more than one.
-- Scope: the connectors in touched_entity; the hour's slots are in [:window_start, :window_end).
WITH first_published AS (
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

published AS (
    SELECT
        states.connector_key,
        states.attribute_hash,
        states.connector_id,
        states.identity_hash,
        states.evse_key,
        states.evse_uid,
        states.standard,
        states.format,
        states.power_type,
        states.ampere,
        states.voltage,
        states.max_power_kw,
        states.tariff_id,
        states.extra,
        ROW_NUMBER() OVER (
            PARTITION BY states.connector_key, states.attribute_hash
            ORDER BY states.feed, states.place
        ) AS state_rank
    FROM staging.flat_connectors AS states
    INNER JOIN first_published
        ON
            states.connector_key = first_published.connector_key
            AND states.attribute_hash = first_published.attribute_hash
            AND states.slot_at = first_published.slot_at
),

told AS (
    SELECT
        connector_key,
        attribute_hash,
        connector_id,
        identity_hash,
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
    FROM published
    WHERE state_rank = 1
    UNION ALL
    SELECT
        held.connector_key,
        held.attribute_hash,
        held.connector_id,
        held.identity_hash,
        held.evse_key,
        held.evse_uid,
        held.standard,
        held.format,
        held.power_type,
        held.ampere,
        held.voltage,
        held.max_power_kw,
        held.tariff_id,
        held.extra
    FROM warehouse.connector_attributes AS held
    LEFT JOIN published
        ON
            held.connector_key = published.connector_key
            AND held.attribute_hash = published.attribute_hash
    WHERE
        published.connector_key IS NULL
        AND held.connector_key IN (SELECT touched_entity.entity_key FROM touched_entity)
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
    told.connector_id,
    told.identity_hash,
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

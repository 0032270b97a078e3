-- Grain: one row per evse and distinct attribute state that one of its versions names.
-- States are those of the hour and, where it does not have them, those held. Rows of one state are
-- equal unless somebody made their hashes meet, so any one is enough; there is never more than one.
-- Scope: the evses in touched_entity; the hour's slots are in [:window_start, :window_end).
WITH first_published AS (
    SELECT
        evse_key,
        attribute_hash,
        MIN(slot_at) AS slot_at
    FROM staging.flat_evses
    WHERE
        slot_at >= :window_start
        AND slot_at < :window_end
        AND evse_key IN (SELECT touched_entity.entity_key FROM touched_entity)
    GROUP BY evse_key, attribute_hash
),

published AS (
    SELECT
        states.evse_key,
        states.attribute_hash,
        states.evse_uid,
        states.identity_hash,
        states.station_key,
        states.station_id,
        states.evse_id,
        states.physical_reference,
        states.floor_level,
        states.vehicle_type,
        states.charging_point_position,
        states.charging_station_position,
        states.parking_space_numbers,
        states.public_comment,
        states.is_roaming,
        states.is_reservable,
        states.capabilities,
        states.extra,
        ROW_NUMBER() OVER (
            PARTITION BY states.evse_key, states.attribute_hash
            ORDER BY states.feed, states.place
        ) AS state_rank
    FROM staging.flat_evses AS states
    INNER JOIN first_published
        ON
            states.evse_key = first_published.evse_key
            AND states.attribute_hash = first_published.attribute_hash
            AND states.slot_at = first_published.slot_at
),

told AS (
    SELECT
        evse_key,
        attribute_hash,
        evse_uid,
        identity_hash,
        station_key,
        station_id,
        evse_id,
        physical_reference,
        floor_level,
        vehicle_type,
        charging_point_position,
        charging_station_position,
        parking_space_numbers,
        public_comment,
        is_roaming,
        is_reservable,
        capabilities,
        extra
    FROM published
    WHERE state_rank = 1
    UNION ALL
    SELECT
        held.evse_key,
        held.attribute_hash,
        held.evse_uid,
        held.identity_hash,
        held.station_key,
        held.station_id,
        held.evse_id,
        held.physical_reference,
        held.floor_level,
        held.vehicle_type,
        held.charging_point_position,
        held.charging_station_position,
        held.parking_space_numbers,
        held.public_comment,
        held.is_roaming,
        held.is_reservable,
        held.capabilities,
        held.extra
    FROM warehouse.evse_attributes AS held
    LEFT JOIN published
        ON
            held.evse_key = published.evse_key
            AND held.attribute_hash = published.attribute_hash
    WHERE
        published.evse_key IS NULL
        AND held.evse_key IN (SELECT touched_entity.entity_key FROM touched_entity)
),

named AS (
    SELECT DISTINCT
        entity_key,
        attribute_hash
    FROM warehouse.entity_version
    WHERE
        entity_type = 'evse'
        AND entity_key IN (SELECT touched_entity.entity_key FROM touched_entity)
)

SELECT
    told.evse_key,
    told.attribute_hash,
    told.evse_uid,
    told.identity_hash,
    told.station_key,
    told.station_id,
    told.evse_id,
    told.physical_reference,
    told.floor_level,
    told.vehicle_type,
    told.charging_point_position,
    told.charging_station_position,
    told.parking_space_numbers,
    told.public_comment,
    told.is_roaming,
    told.is_reservable,
    told.capabilities,
    told.extra
FROM told
INNER JOIN named
    ON
        told.evse_key = named.entity_key
        AND told.attribute_hash = named.attribute_hash;

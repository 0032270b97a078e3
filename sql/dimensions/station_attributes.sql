-- Grain: one row per station and distinct attribute state that one of its versions names.
-- States are those held and those of the hour; rows of one state are equal, so one is enough.
-- Scope: the stations in touched_entity; the hour's slots are in [:window_start, :window_end).
WITH first_told AS (
    SELECT
        station_key,
        attribute_hash,
        MIN(slot_at) AS slot_at
    FROM staging.flat_stations
    WHERE
        slot_at >= :window_start
        AND slot_at < :window_end
        AND station_key IN (SELECT touched_entity.entity_key FROM touched_entity)
    GROUP BY station_key, attribute_hash
),

told AS (
    SELECT
        station_key,
        attribute_hash,
        feed,
        station_id,
        name,
        address,
        city,
        postal_code,
        country,
        latitude,
        longitude,
        directions,
        comment,
        operator_id,
        operator_name,
        operator_hotline,
        owner,
        publication_status,
        is_roaming,
        is_open_24_7,
        opening_hours,
        tariff_zones,
        extra
    FROM warehouse.station_attributes
    WHERE station_key IN (SELECT touched_entity.entity_key FROM touched_entity)
    UNION
    SELECT
        states.station_key,
        states.attribute_hash,
        states.feed,
        states.station_id,
        states.name,
        states.address,
        states.city,
        states.postal_code,
        states.country,
        states.latitude,
        states.longitude,
        states.directions,
        states.comment,
        states.operator_id,
        states.operator_name,
        states.operator_hotline,
        states.owner,
        states.publication_status,
        states.is_roaming,
        states.is_open_24_7,
        states.opening_hours,
        states.tariff_zones,
        states.extra
    FROM staging.flat_stations AS states
    INNER JOIN first_told
        ON
            states.station_key = first_told.station_key
            AND states.attribute_hash = first_told.attribute_hash
            AND states.slot_at = first_told.slot_at
),

named AS (
    SELECT DISTINCT
        entity_key,
        attribute_hash
    FROM warehouse.entity_version
    WHERE
        entity_type = 'station'
        AND entity_key IN (SELECT touched_entity.entity_key FROM touched_entity)
)

SELECT
    told.station_key,
    told.attribute_hash,
    told.feed,
    told.station_id,
    told.name,
    told.address,
    told.city,
    told.postal_code,
    told.country,
    told.latitude,
    told.longitude,
    told.directions,
    told.comment,
    told.operator_id,
    told.operator_name,
    told.operator_hotline,
    told.owner,
    told.publication_status,
    told.is_roaming,
    told.is_open_24_7,
    told.opening_hours,
    told.tariff_zones,
    told.extra
FROM told
INNER JOIN named
    ON
        told.station_key = named.entity_key
        AND told.attribute_hash = named.attribute_hash;

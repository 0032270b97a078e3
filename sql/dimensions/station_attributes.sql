-- Grain: one row per station and distinct attribute state that one of its versions names.
-- States are those of the hour and, where it does not have them, those held. Rows of one state are
-- equal unless somebody made their hashes meet, so any one is enough; there is never more than one.
-- Scope: the stations in touched_entity; the hour's slots are in [:window_start, :window_end).
WITH first_published AS (
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

published AS (
    SELECT
        states.station_key,
        states.attribute_hash,
        states.station_id,
        states.identity_hash,
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
        states.extra,
        ROW_NUMBER() OVER (
            PARTITION BY states.station_key, states.attribute_hash
            ORDER BY states.feed, states.place
        ) AS state_rank
    FROM staging.flat_stations AS states
    INNER JOIN first_published
        ON
            states.station_key = first_published.station_key
            AND states.attribute_hash = first_published.attribute_hash
            AND states.slot_at = first_published.slot_at
),

told AS (
    SELECT
        station_key,
        attribute_hash,
        station_id,
        identity_hash,
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
    FROM published
    WHERE state_rank = 1
    UNION ALL
    SELECT
        held.station_key,
        held.attribute_hash,
        held.station_id,
        held.identity_hash,
        held.name,
        held.address,
        held.city,
        held.postal_code,
        held.country,
        held.latitude,
        held.longitude,
        held.directions,
        held.comment,
        held.operator_id,
        held.operator_name,
        held.operator_hotline,
        held.owner,
        held.publication_status,
        held.is_roaming,
        held.is_open_24_7,
        held.opening_hours,
        held.tariff_zones,
        held.extra
    FROM warehouse.station_attributes AS held
    LEFT JOIN published
        ON
            held.station_key = published.station_key
            AND held.attribute_hash = published.attribute_hash
    WHERE
        published.station_key IS NULL
        AND held.station_key IN (SELECT touched_entity.entity_key FROM touched_entity)
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
    told.station_id,
    told.identity_hash,
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

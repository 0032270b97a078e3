-- Grain: one row per entity of :entity_type, hour and distinct attribute state seen.
-- An entity that several places publish is taken from the first of them by name.
-- Scope: slots in [:window_start, :window_end).
WITH seen AS (
    SELECT
        slot_at,
        last_slot_at,
        CAST('station' AS VARCHAR(16)) AS entity_type,
        station_key AS entity_key,
        attribute_hash,
        feed,
        place,
        poll_count
    FROM staging.flat_stations
    UNION ALL
    SELECT
        slot_at,
        last_slot_at,
        CAST('evse' AS VARCHAR(16)) AS entity_type,
        evse_key AS entity_key,
        attribute_hash,
        feed,
        place,
        poll_count
    FROM staging.flat_evses
    UNION ALL
    SELECT
        slot_at,
        last_slot_at,
        CAST('connector' AS VARCHAR(16)) AS entity_type,
        connector_key AS entity_key,
        attribute_hash,
        feed,
        place,
        poll_count
    FROM staging.flat_connectors
),

in_scope AS (
    SELECT
        seen.*,
        MIN(place) OVER (PARTITION BY entity_key, DATE_TRUNC('hour', slot_at)) AS first_place
    FROM seen
    WHERE
        entity_type = :entity_type
        AND slot_at >= :window_start
        AND slot_at < :window_end
)

SELECT
    slot_at,
    last_slot_at,
    entity_type,
    entity_key,
    attribute_hash,
    feed,
    place,
    poll_count
FROM in_scope
WHERE place = first_place;

-- Grain: one row per entity of :entity_type, hour and distinct attribute state seen.
-- An entity that several places publish is taken from the first of them by name. What others told
-- before the first slot in that place, or after its last, is taken from the earliest and the latest
-- of them, so that versions reach as far as facts do; told in equal words it is the first place's.
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
        DATE_TRUNC('hour', slot_at) AS hour_at,
        MIN(place) OVER (PARTITION BY entity_key, DATE_TRUNC('hour', slot_at)) AS first_place,
        MAX(place) OVER (PARTITION BY entity_key, DATE_TRUNC('hour', slot_at)) AS last_place
    FROM seen
    WHERE
        entity_type = :entity_type
        AND slot_at >= :window_start
        AND slot_at < :window_end
),

shared AS (
    SELECT
        in_scope.*,
        ROW_NUMBER() OVER (PARTITION BY entity_key, hour_at ORDER BY slot_at, place) AS early_rank,
        ROW_NUMBER() OVER (
            PARTITION BY entity_key, hour_at ORDER BY last_slot_at DESC, place ASC
        ) AS late_rank
    FROM in_scope
    WHERE first_place <> last_place
),

-- Of another place's state only the slot that is beyond those of the first place counts: between
-- them it says what the first place knows better.
reaching AS (
    SELECT
        CASE
            WHEN place = first_place OR early_rank = 1 THEN slot_at
            ELSE last_slot_at
        END AS slot_at,
        CASE
            WHEN place = first_place OR late_rank = 1 THEN last_slot_at
            ELSE slot_at
        END AS last_slot_at,
        entity_type,
        entity_key,
        attribute_hash,
        feed,
        place,
        poll_count,
        hour_at
    FROM shared
    WHERE
        place = first_place
        OR early_rank = 1
        OR late_rank = 1
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
WHERE first_place = last_place
UNION ALL
SELECT
    MIN(slot_at) AS slot_at,
    MAX(last_slot_at) AS last_slot_at,
    entity_type,
    entity_key,
    attribute_hash,
    feed,
    MIN(place) AS place,
    MAX(poll_count) AS poll_count
FROM reaching
GROUP BY entity_type, entity_key, attribute_hash, feed, hour_at;

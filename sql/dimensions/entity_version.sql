-- Grain: one row per entity of :entity_type and run of one attribute state in one place.
-- Derived from all sightings of the entities in touched_entity, whatever the order in which hours
-- were loaded: each sighting says at its first and its last slot what the entity was.
-- Scope: the entities in touched_entity.
WITH sightings AS (
    SELECT
        slot_at,
        last_slot_at,
        entity_key,
        attribute_hash,
        place
    FROM warehouse.entity_sighting
    WHERE
        entity_type = :entity_type
        AND entity_key IN (SELECT touched_entity.entity_key FROM touched_entity)
),

moments AS (
    SELECT
        entity_key,
        attribute_hash,
        place,
        slot_at AS seen_at
    FROM sightings
    UNION
    SELECT
        entity_key,
        attribute_hash,
        place,
        last_slot_at AS seen_at
    FROM sightings
),

compared AS (
    SELECT
        moments.*,
        LAG(attribute_hash) OVER (
            PARTITION BY entity_key ORDER BY seen_at, attribute_hash
        ) AS previous_hash,
        LAG(place) OVER (
            PARTITION BY entity_key ORDER BY seen_at, attribute_hash
        ) AS previous_place
    FROM moments
),

starts AS (
    SELECT *
    FROM compared
    WHERE
        previous_hash IS NULL
        OR previous_hash <> attribute_hash
        OR previous_place <> place
)

SELECT
    CAST(:entity_type AS VARCHAR(16)) AS entity_type,
    entity_key,
    attribute_hash,
    place,
    seen_at AS valid_from,
    LEAD(seen_at) OVER (
        PARTITION BY entity_key ORDER BY seen_at, attribute_hash
    ) AS valid_to
FROM starts;

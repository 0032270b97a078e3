-- Grain: one row per entity of :entity_type whose versions an hour's new sightings may change.
-- Reads new_sighting, the hour's sightings to be, beside those that are held.
-- An entity is touched if a sighting came or went, and either its version of that slot says
-- otherwise, or one of its versions begins in the hour.
WITH held AS (
    SELECT
        slot_at,
        last_slot_at,
        entity_key,
        attribute_hash,
        place
    FROM warehouse.entity_sighting
    WHERE
        entity_type = :entity_type
        AND slot_at >= :window_start
        AND slot_at < :window_end
),

fresh AS (
    SELECT
        slot_at,
        last_slot_at,
        entity_key,
        attribute_hash,
        place
    FROM new_sighting
),

came AS (
    SELECT * FROM fresh
    EXCEPT
    SELECT * FROM held
),

went AS (
    SELECT * FROM held
    EXCEPT
    SELECT * FROM fresh
),

changed AS (
    SELECT * FROM came
    UNION ALL
    SELECT * FROM went
),

versions AS (
    SELECT
        entity_key,
        attribute_hash,
        place,
        valid_from,
        valid_to
    FROM warehouse.entity_version
    WHERE entity_type = :entity_type
)

SELECT DISTINCT changed.entity_key
FROM changed
WHERE
    NOT EXISTS (
        SELECT 1
        FROM versions
        WHERE
            versions.entity_key = changed.entity_key
            AND versions.attribute_hash = changed.attribute_hash
            AND versions.place = changed.place
            AND versions.valid_from <= changed.slot_at
            AND (versions.valid_to IS NULL OR versions.valid_to > changed.last_slot_at)
    )
    OR EXISTS (
        SELECT 1
        FROM versions
        WHERE
            versions.entity_key = changed.entity_key
            AND versions.valid_from >= :window_start
            AND versions.valid_from < :window_end
    );

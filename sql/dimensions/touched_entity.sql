-- Grain: one row per entity of :entity_type whose versions an hour's new sightings may change.
-- Reads new_sighting, the hour's sightings to be, beside those that are held.
-- An entity is touched if a sighting came or went, and either its version of that slot says
-- otherwise, or one of its versions begins in the hour.
-- Joins and set operations alone: Redshift refuses correlated subqueries under OR.
-- Scope: slots in [:window_start, :window_end).
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
),

explained AS (
    SELECT
        changed.slot_at,
        changed.last_slot_at,
        changed.entity_key,
        changed.attribute_hash,
        changed.place
    FROM changed
    INNER JOIN versions
        ON
            changed.entity_key = versions.entity_key
            AND changed.attribute_hash = versions.attribute_hash
            AND changed.place = versions.place
            AND changed.slot_at >= versions.valid_from
            AND changed.last_slot_at < COALESCE(versions.valid_to, TIMESTAMP '9999-12-31')
),

unexplained AS (
    SELECT * FROM changed
    EXCEPT
    SELECT * FROM explained
)

SELECT entity_key
FROM unexplained
UNION
SELECT changed.entity_key
FROM changed
INNER JOIN versions
    ON changed.entity_key = versions.entity_key
WHERE
    versions.valid_from >= :window_start
    AND versions.valid_from < :window_end;

-- Grain: one row per entity of :entity_type that is known, or seen in the hours to be loaded.
-- Reads new_sighting, the hours' rows to be. It takes the place of touched_entity where many hours
-- are loaded at once.
-- Scope: all entities, whenever they were seen.
SELECT entity_key FROM new_sighting
UNION
SELECT entity_key
FROM warehouse.entity_version
WHERE entity_type = :entity_type;

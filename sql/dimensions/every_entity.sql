-- Grain: one row per entity of :entity_type that is loaded, or observed in the hours to load.
-- Reads new_observation, the rows of these hours. Used instead of affected_entity when many hours
-- are loaded at once.
-- Scope: all entities.
SELECT entity_key FROM new_observation
UNION
SELECT entity_key
FROM warehouse.entity_version
WHERE entity_type = :entity_type;

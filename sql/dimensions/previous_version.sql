-- Grain: one row per version of affected entities of :entity_type before the hour was loaded.
-- Scope: the entities in affected_entity.
SELECT
    entity_key,
    attribute_hash,
    feed,
    place,
    valid_from,
    valid_to,
    close_reason,
    seen_until
FROM warehouse.entity_version
WHERE
    entity_type = :entity_type
    AND entity_key IN (SELECT affected_entity.entity_key FROM affected_entity);

-- Generated from sql/dimensions/previous_version.sql (ca4f605482a87dea) by python -m charging_assets.warehouse.transpile; do not edit.
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
  entity_type = $entity_type
  AND entity_key IN (
    SELECT
      affected_entity.entity_key
    FROM affected_entity
  )

-- Generated from sql/dimensions/every_entity.sql (d25106b5a9481e65) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  entity_key
FROM new_observation
UNION
SELECT
  entity_key
FROM warehouse.entity_version
WHERE
  entity_type = $entity_type

-- Generated from sql/dimensions/affected_alias.sql (bd150295bc669b5f) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  entity_key
FROM affected_entity
UNION
SELECT
  new_alias.evse_key AS entity_key
FROM new_alias
INNER JOIN affected_entity
  ON new_alias.former_evse_key = affected_entity.entity_key
UNION
SELECT
  bridge_evse_alias.evse_key AS entity_key
FROM warehouse.bridge_evse_alias
INNER JOIN affected_entity
  ON bridge_evse_alias.former_evse_key = affected_entity.entity_key

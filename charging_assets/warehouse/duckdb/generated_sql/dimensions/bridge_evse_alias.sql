-- Generated from sql/dimensions/bridge_evse_alias.sql (535d31550a8421bc) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  evse_key,
  feed,
  place,
  evse_uid,
  evse_id,
  former_evse_key,
  former_evse_uid,
  former_evse_id,
  changed_at,
  reason,
  is_guess
FROM new_alias
WHERE
  evse_key IN (
    SELECT
      affected_alias.entity_key
    FROM affected_alias
  )

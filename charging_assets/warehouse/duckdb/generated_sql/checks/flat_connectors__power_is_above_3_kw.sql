-- Generated from sql/checks/flat_connectors__power_is_above_3_kw.sql (6fbad9fa948edca2) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT DISTINCT
  feed,
  place,
  connector_id,
  evse_uid,
  evse_key,
  standard,
  ampere,
  voltage,
  max_power_kw
FROM staging.flat_connectors
WHERE
  slot_at >= $window_start
  AND slot_at < $window_end
  AND max_power_kw > 0
  AND max_power_kw <= 3
ORDER BY
  feed,
  place,
  connector_id,
  evse_uid,
  evse_key

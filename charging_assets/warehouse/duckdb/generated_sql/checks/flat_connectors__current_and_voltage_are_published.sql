-- Generated from sql/checks/flat_connectors__current_and_voltage_are_published.sql (df0a61776419f198) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT DISTINCT
  feed,
  place,
  connector_id,
  evse_uid,
  evse_key,
  power_type,
  ampere,
  voltage,
  max_power_kw
FROM staging.flat_connectors
WHERE
  slot_at >= $window_start
  AND slot_at < $window_end
  AND (
    ampere IS NULL OR voltage IS NULL OR max_power_kw IS NULL
  )
ORDER BY
  feed,
  place,
  connector_id,
  evse_uid,
  evse_key

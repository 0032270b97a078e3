-- Generated from sql/dashboard/first_seen.sql (050b917444f5331c) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  MIN(valid_from) AS first_at
FROM warehouse.dim_station
WHERE
  feed = $feed
  AND (
    $place = '' OR place = $place
  )
  AND (
    $operator_name = '' OR COALESCE(operator_name, '(not stated)') = $operator_name
  )
  AND (
    $station_key = 0 OR station_key = $station_key
  )

-- Generated from sql/dashboard/station_list.sql (1cf1b0d01c422f9e) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  station_key,
  name,
  address
FROM warehouse.dim_station
WHERE
  feed = $feed AND place = $place AND is_current
ORDER BY
  name,
  station_key
LIMIT 2000

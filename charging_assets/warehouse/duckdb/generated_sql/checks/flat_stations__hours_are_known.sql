-- Generated from sql/checks/flat_stations__hours_are_known.sql (832e08a4360cbc36) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT DISTINCT
  feed,
  place,
  station_id,
  name,
  is_open_24_7
FROM staging.flat_stations
WHERE
  slot_at >= $window_start
  AND slot_at < $window_end
  AND COALESCE(is_open_24_7, FALSE) = FALSE
  AND COALESCE(opening_hours, '[]') = '[]'
ORDER BY
  feed,
  place,
  station_id

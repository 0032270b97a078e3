-- Generated from sql/checks/flat_stations__country_form.sql (687dc36e92cb7ef4) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT DISTINCT
  feed,
  place,
  station_id,
  country
FROM staging.flat_stations
WHERE
  slot_at >= $window_start
  AND slot_at < $window_end
  AND (
    country IS NULL OR LENGTH(country) <> 2
  )
ORDER BY
  feed,
  place,
  station_id,
  country

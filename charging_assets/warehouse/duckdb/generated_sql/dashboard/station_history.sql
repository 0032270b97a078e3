-- Generated from sql/dashboard/station_history.sql (37f10259d4462a07) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  feed,
  station_id,
  place,
  name,
  address,
  postal_code,
  city,
  operator_name,
  owner,
  is_open_24_7,
  latitude,
  longitude,
  valid_from,
  valid_to,
  close_reason,
  is_current
FROM warehouse.dim_station
WHERE
  station_key = $station_key
ORDER BY
  valid_from DESC NULLS FIRST

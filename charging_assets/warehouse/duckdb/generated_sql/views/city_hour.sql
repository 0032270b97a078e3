-- Generated from sql/views/city_hour.sql (42be15a4d0de577b) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  station_hours.slot_at,
  station_hours.feed,
  COALESCE(station_days.place, station_hours.place) AS place,
  COALESCE(station_days.operator_name, '(not stated)') AS operator_name,
  CAST(SUM(station_hours.evse_count) AS INT) AS evse_count,
  CAST(SUM(station_hours.observed_s) AS BIGINT) AS observed_s,
  CAST(SUM(
    station_hours.available_s + station_hours.charging_s + station_hours.reserved_s + station_hours.blocked_s
  ) AS BIGINT) AS operable_s,
  CAST(SUM(station_hours.charging_s) AS BIGINT) AS charging_s,
  CAST(SUM(station_hours.window_s) AS BIGINT) AS window_s
FROM mart.mart_station_hour AS station_hours
LEFT JOIN mart.mart_station_day AS station_days
  ON station_hours.feed = station_days.feed
  AND station_hours.station_key = station_days.station_key
  AND station_hours.local_date = station_days.local_date
GROUP BY
  station_hours.slot_at,
  station_hours.feed,
  COALESCE(station_days.place, station_hours.place),
  COALESCE(station_days.operator_name, '(not stated)')

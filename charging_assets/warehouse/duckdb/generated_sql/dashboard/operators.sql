-- Generated from sql/dashboard/operators.sql (a6dc0086c44f8cfa) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  COALESCE(operator_name, '(not stated)') AS operator_name
FROM warehouse.dim_station
WHERE
  feed = $feed AND is_current
UNION
SELECT
  COALESCE(operator_name, '(not stated)') AS operator_name
FROM mart.mart_station_day
WHERE
  feed = $feed AND local_date >= $from_date AND local_date <= $to_date
ORDER BY
  operator_name

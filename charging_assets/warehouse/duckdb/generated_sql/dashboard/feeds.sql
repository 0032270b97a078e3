-- Generated from sql/dashboard/feeds.sql (d78166ec0045280e) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  feed,
  MIN(slot_at) AS first_at,
  MAX(slot_at) AS last_at
FROM mart.mart_city_day
GROUP BY
  feed
ORDER BY
  feed

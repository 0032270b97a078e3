-- Generated from sql/dashboard/newest_poll.sql (b5b5970734c07884) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  MAX(time_zone) AS time_zone,
  MAX(cadence_s) AS cadence_s,
  MAX(slot_at) AS newest_at
FROM warehouse.fact_poll
WHERE
  feed = $feed
  AND outcome IN ('ok', 'not_modified')
  AND slot_at >= $window_start
  AND slot_at < $window_end

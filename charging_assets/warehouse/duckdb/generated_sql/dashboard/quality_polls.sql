-- Generated from sql/dashboard/quality_polls.sql (0394b188150d6366) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  DATE_TRUNC('DAY', CAST(slot_at AS TIMESTAMP) AT TIME ZONE 'UTC' AT TIME ZONE $time_zone) AS local_date,
  MIN(slot_at) AS first_at,
  COUNT(DISTINCT slot_at) AS poll_count,
  COUNT(*) AS answer_count,
  CAST(SUM(CASE WHEN outcome IN ('ok', 'not_modified') THEN 1 ELSE 0 END) AS INT) AS ok_count,
  CAST(SUM(CASE WHEN NOT outcome IN ('ok', 'not_modified') THEN 1 ELSE 0 END) AS INT) AS failed_count
FROM warehouse.fact_poll
WHERE
  feed = $feed AND slot_at >= $window_start AND slot_at < $window_end
GROUP BY
  DATE_TRUNC('DAY', CAST(slot_at AS TIMESTAMP) AT TIME ZONE 'UTC' AT TIME ZONE $time_zone)
ORDER BY
  DATE_TRUNC('DAY', CAST(slot_at AS TIMESTAMP) AT TIME ZONE 'UTC' AT TIME ZONE $time_zone)

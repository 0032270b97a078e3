-- Generated from sql/dashboard/quality_outcomes.sql (6fa5415342bba77f) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  place,
  outcome,
  COUNT(*) AS answer_count,
  MIN(slot_at) AS first_at,
  MAX(slot_at) AS last_at
FROM warehouse.fact_poll
WHERE
  feed = $feed
  AND NOT outcome IN ('ok', 'not_modified')
  AND slot_at >= $window_start
  AND slot_at < $window_end
GROUP BY
  place,
  outcome
ORDER BY
  COUNT(*) DESC NULLS FIRST,
  place,
  outcome ASC

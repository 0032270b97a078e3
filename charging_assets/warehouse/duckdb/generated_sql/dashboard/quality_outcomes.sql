-- Generated from sql/dashboard/quality_outcomes.sql (5b8e1826919a553d) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  place,
  outcome,
  COUNT(*) AS answer_count,
  MIN(slot_at) AS first_at,
  MAX(slot_at) AS last_at
FROM warehouse.fact_poll
WHERE
  feed = $feed
  AND outcome <> 'ok'
  AND slot_at >= $window_start
  AND slot_at < $window_end
GROUP BY
  place,
  outcome
ORDER BY
  COUNT(*) DESC NULLS FIRST,
  place,
  outcome ASC

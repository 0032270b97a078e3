-- Generated from sql/reports/schema_drift.sql (36cf950938df8c54) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  unknown_fields,
  COUNT(*) AS answer_count
FROM warehouse.fact_poll
WHERE
  feed = $feed
  AND slot_at >= $window_start
  AND slot_at < $window_end
  AND NOT unknown_fields IS NULL
GROUP BY
  unknown_fields
ORDER BY
  answer_count DESC NULLS FIRST,
  unknown_fields ASC

-- Generated from sql/reports/poll_outcomes.sql (2eedf574062b5257) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  outcome,
  COUNT(*) AS answer_count,
  CAST(SUM(station_count + evse_count + connector_count) AS BIGINT) AS record_count,
  CAST(SUM(station_rejected_count + evse_rejected_count + connector_rejected_count) AS BIGINT) AS record_rejected_count,
  CAST(SUM(field_rejected_count) AS BIGINT) AS field_rejected_count
FROM warehouse.fact_poll
WHERE
  feed = $feed AND slot_at >= $window_start AND slot_at < $window_end
GROUP BY
  outcome
ORDER BY
  answer_count DESC NULLS FIRST,
  outcome ASC

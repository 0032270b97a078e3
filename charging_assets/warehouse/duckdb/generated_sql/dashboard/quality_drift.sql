-- Generated from sql/dashboard/quality_drift.sql (fc8dfa0b5e5eeed6) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  schema_fingerprint,
  COUNT(*) AS answer_count,
  COUNT(DISTINCT place) AS place_count,
  MIN(slot_at) AS first_at,
  MAX(slot_at) AS last_at,
  MAX(unknown_fields) AS unknown_fields
FROM warehouse.fact_poll
WHERE
  feed = $feed
  AND outcome IN ('ok', 'not_modified')
  AND slot_at >= $window_start
  AND slot_at < $window_end
GROUP BY
  schema_fingerprint
ORDER BY
  MIN(slot_at),
  schema_fingerprint

-- Generated from sql/dashboard/quality_rejects.sql (2f26ade8f39ae2fe) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  code,
  severity,
  entity,
  CAST(SUM(flat_rejects.reject_count) AS BIGINT) AS reject_count,
  COUNT(DISTINCT place) AS place_count,
  MIN(slot_at) AS first_at,
  MAX(slot_at) AS last_at,
  MIN(pointer) AS one_pointer,
  MIN(fragment) AS one_fragment
FROM ops.flat_rejects
WHERE
  feed = $feed AND slot_at >= $window_start AND slot_at < $window_end
GROUP BY
  code,
  severity,
  entity
ORDER BY
  CAST(SUM(flat_rejects.reject_count) AS BIGINT) DESC NULLS FIRST,
  code,
  severity ASC,
  entity ASC

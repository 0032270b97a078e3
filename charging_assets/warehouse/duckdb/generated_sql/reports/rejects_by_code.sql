-- Generated from sql/reports/rejects_by_code.sql (93ddca68bbbd3ffc) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  code,
  severity,
  CAST(SUM(flat_rejects.reject_count) AS BIGINT) AS reject_count,
  COUNT(DISTINCT place) AS place_count
FROM ops.flat_rejects
WHERE
  feed = $feed AND slot_at >= $window_start AND slot_at < $window_end
GROUP BY
  code,
  severity
ORDER BY
  reject_count DESC NULLS FIRST,
  code ASC,
  severity ASC

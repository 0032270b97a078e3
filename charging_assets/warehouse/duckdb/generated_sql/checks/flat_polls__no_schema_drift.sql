-- Generated from sql/checks/flat_polls__no_schema_drift.sql (2bdfd18b9235fa83) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  feed,
  unknown_fields,
  COUNT(DISTINCT place) AS place_count,
  COUNT(*) AS poll_count,
  MIN(place) AS first_place
FROM staging.flat_polls
WHERE
  slot_at >= $window_start
  AND slot_at < $window_end
  AND NOT unknown_fields IS NULL
  AND unknown_fields <> '[]'
GROUP BY
  feed,
  unknown_fields
ORDER BY
  poll_count DESC NULLS FIRST,
  feed ASC,
  unknown_fields ASC

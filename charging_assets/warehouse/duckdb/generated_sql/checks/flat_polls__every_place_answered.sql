-- Generated from sql/checks/flat_polls__every_place_answered.sql (95f58e44379215f5) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  feed,
  place,
  outcome,
  COUNT(*) AS poll_count,
  MAX(http_status) AS http_status,
  MAX(raw_key) AS raw_key
FROM staging.flat_polls
WHERE
  slot_at >= $window_start
  AND slot_at < $window_end
  AND NOT outcome IN ('ok', 'not_modified')
GROUP BY
  feed,
  place,
  outcome
ORDER BY
  poll_count DESC NULLS FIRST,
  feed ASC,
  place ASC,
  outcome ASC

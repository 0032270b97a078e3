-- Generated from sql/checks/flat_status__status_is_ocpi.sql (d9dac0fa57a93223) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  feed,
  place,
  evse_uid,
  status,
  connector_status_overrides,
  CAST(SUM(poll_count) AS INT) AS poll_count
FROM staging.flat_status
WHERE
  slot_at >= $window_start
  AND slot_at < $window_end
  AND (
    status IS NULL
    OR NOT status IN (
      'AVAILABLE',
      'BLOCKED',
      'CHARGING',
      'INOPERATIVE',
      'OUTOFORDER',
      'PLANNED',
      'REMOVED',
      'RESERVED',
      'UNKNOWN'
    )
    OR connector_status_overrides LIKE '%":null%'
  )
GROUP BY
  feed,
  place,
  evse_key,
  evse_uid,
  status,
  connector_status_overrides
ORDER BY
  poll_count DESC NULLS FIRST,
  feed ASC,
  place ASC,
  evse_uid ASC

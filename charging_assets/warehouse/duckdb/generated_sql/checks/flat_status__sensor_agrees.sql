-- Generated from sql/checks/flat_status__sensor_agrees.sql (5d7a235161de629b) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  feed,
  place,
  evse_uid,
  status,
  parking_status,
  CAST(SUM(poll_count) AS INT) AS poll_count
FROM staging.flat_status
WHERE
  slot_at >= $window_start
  AND slot_at < $window_end
  AND status IN ('CHARGING', 'BLOCKED')
  AND parking_status IN ('AVAILABLE', 'FREE', 'VACANT')
GROUP BY
  feed,
  place,
  evse_key,
  evse_uid,
  status,
  parking_status
ORDER BY
  poll_count DESC NULLS FIRST,
  feed ASC,
  place ASC,
  evse_uid ASC

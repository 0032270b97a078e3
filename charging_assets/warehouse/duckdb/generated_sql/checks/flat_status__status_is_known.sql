-- Generated from sql/checks/flat_status__status_is_known.sql (6a5b508f9e60ad91) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  feed,
  place,
  evse_uid,
  COUNT(*) AS poll_count
FROM staging.flat_status
WHERE
  slot_at >= $window_start AND slot_at < $window_end
GROUP BY
  feed,
  place,
  evse_key,
  evse_uid
HAVING
  SUM(CASE WHEN status = 'UNKNOWN' THEN 1 ELSE 0 END) = COUNT(*)
ORDER BY
  poll_count DESC NULLS FIRST,
  feed ASC,
  place ASC,
  evse_uid ASC

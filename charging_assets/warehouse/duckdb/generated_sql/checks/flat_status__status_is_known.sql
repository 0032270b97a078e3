-- Generated from sql/checks/flat_status__status_is_known.sql (d31a6df89ffea9c1) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  feed,
  place,
  evse_uid,
  CAST(SUM(poll_count) AS INT) AS poll_count
FROM staging.flat_status
WHERE
  slot_at >= $window_start AND slot_at < $window_end
GROUP BY
  feed,
  place,
  evse_key,
  evse_uid
HAVING
  MIN(CASE WHEN status = 'UNKNOWN' THEN 1 ELSE 0 END) = 1
ORDER BY
  poll_count DESC NULLS FIRST,
  feed ASC,
  place ASC,
  evse_uid ASC

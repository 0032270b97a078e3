-- Generated from sql/dimensions/entity_poll.sql (551262213d7838fc) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  slot_at,
  CAST($entity_type AS TEXT(16)) AS entity_type,
  feed,
  place,
  CAST(CASE
    WHEN $entity_type = 'station'
    THEN station_count - station_rejected_count
    WHEN $entity_type = 'evse'
    THEN evse_count - evse_rejected_count
    ELSE connector_count - connector_rejected_count
  END AS INT) AS record_count
FROM staging.flat_polls
WHERE
  outcome IN ('ok', 'not_modified')
  AND slot_at >= $window_start
  AND slot_at < $window_end

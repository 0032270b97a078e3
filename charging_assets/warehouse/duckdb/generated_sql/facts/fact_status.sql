-- Generated from sql/facts/fact_status.sql (443ac571fd1e273f) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  slot_at,
  feed,
  place,
  evse_key,
  evse_uid,
  status,
  status_published,
  parking_status,
  connector_status_overrides,
  slot_at AS first_slot_at,
  last_slot_at,
  poll_count,
  first_status_changed_at,
  last_status_changed_at
FROM staging.flat_status
WHERE
  slot_at >= $window_start AND slot_at < $window_end

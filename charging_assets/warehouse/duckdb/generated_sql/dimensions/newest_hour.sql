-- Generated from sql/dimensions/newest_hour.sql (245db4c6ddd2d637) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  COALESCE(MAX(slot_at), $window_start) AS newest_at
FROM ops.ledger
WHERE
  asset = $asset

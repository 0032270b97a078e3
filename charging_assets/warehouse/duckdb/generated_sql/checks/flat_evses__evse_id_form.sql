-- Generated from sql/checks/flat_evses__evse_id_form.sql (16b52e64763b063f) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT DISTINCT
  feed,
  place,
  evse_uid,
  evse_key,
  evse_id
FROM staging.flat_evses
WHERE
  slot_at >= $window_start
  AND slot_at < $window_end
  AND (
    evse_id IS NULL
    OR NOT (
      REGEXP_MATCHES(UPPER(evse_id), '^[A-Z]{2}[*]?[A-Z0-9]{3}[*]?E[A-Z0-9][A-Z0-9*]{0,30}$')
    )
  )
ORDER BY
  feed,
  place,
  evse_uid,
  evse_id,
  evse_key

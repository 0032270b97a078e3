-- Generated from sql/checks/flat_connectors__power_agrees_with_current_and_voltage.sql (d33f38c197164ff8) by python -m charging_assets.warehouse.transpile; do not edit.
WITH connectors AS (
  SELECT DISTINCT
    feed,
    place,
    connector_id,
    evse_uid,
    evse_key,
    power_type,
    ampere,
    voltage,
    max_power_kw,
    CAST(ampere * voltage * CASE
      WHEN power_type = 'AC_3_PHASE' AND voltage >= 300
      THEN 1.7320508
      WHEN power_type = 'AC_3_PHASE'
      THEN 3
      WHEN power_type LIKE 'AC_2_PHASE%'
      THEN 2
      ELSE 1
    END AS DOUBLE) / 1000 AS expected_kw
  FROM staging.flat_connectors
  WHERE
    slot_at >= $window_start
    AND slot_at < $window_end
    AND ampere > 0
    AND voltage > 0
    AND NOT max_power_kw IS NULL
)
SELECT
  feed,
  place,
  connector_id,
  evse_uid,
  evse_key,
  power_type,
  ampere,
  voltage,
  max_power_kw,
  ROUND(expected_kw, 2) AS expected_kw
FROM connectors
WHERE
  (
    max_power_kw > expected_kw * 1.1 AND max_power_kw > expected_kw + 1
  )
  OR (
    COALESCE(power_type, '') LIKE 'AC%'
    AND max_power_kw < expected_kw * 0.9
    AND max_power_kw <= expected_kw - 1
  )
ORDER BY
  ABS(max_power_kw - expected_kw) DESC NULLS FIRST,
  feed ASC,
  place ASC,
  connector_id ASC,
  evse_uid ASC,
  evse_key ASC

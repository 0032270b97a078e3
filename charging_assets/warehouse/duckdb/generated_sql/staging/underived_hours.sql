-- Generated from sql/staging/underived_hours.sql (89a26e034e5b6312) by python -m charging_assets.warehouse.transpile; do not edit.
WITH derived AS (
  SELECT
    slot_at,
    input_digest,
    MIN(loaded_at) AS derived_at
  FROM ops.ledger
  WHERE
    asset IN ('dim_station', 'dim_evse', 'dim_connector')
  GROUP BY
    slot_at,
    input_digest
  HAVING
    COUNT(*) = 3
)
SELECT
  COALESCE(MIN(staged.slot_at), CAST('9999-12-31' AS TIMESTAMP)) AS underived_from,
  COALESCE(
    CAST(MAX(staged.slot_at) AS TIMESTAMP) + INTERVAL 1 HOUR,
    CAST('1970-01-01' AS TIMESTAMP)
  ) AS underived_to
FROM ops.ledger AS staged
LEFT JOIN derived
  ON staged.slot_at = derived.slot_at
  AND (
    staged.input_digest = derived.input_digest
    OR staged.loaded_at <= derived.derived_at
  )
WHERE
  staged.asset = 'staged_tables' AND staged.is_staged AND derived.slot_at IS NULL

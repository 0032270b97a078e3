-- Generated from sql/checks/version_overlaps.sql (6035a06eaa4d218c) by python -m charging_assets.warehouse.transpile; do not edit.
WITH observed AS (
  SELECT DISTINCT
    entity_type,
    entity_key
  FROM warehouse.entity_observation
  WHERE
    entity_type = $entity_type AND slot_at >= $window_start AND slot_at < $window_end
), versions AS (
  SELECT
    entity_versions.entity_type,
    entity_versions.entity_key,
    entity_versions.valid_from,
    entity_versions.valid_to,
    entity_versions.close_reason,
    LEAD(entity_versions.valid_from) OVER (
      PARTITION BY entity_versions.entity_type, entity_versions.entity_key
      ORDER BY entity_versions.valid_from
    ) AS next_valid_from
  FROM warehouse.entity_version AS entity_versions
  INNER JOIN observed
    ON entity_versions.entity_type = observed.entity_type
    AND entity_versions.entity_key = observed.entity_key
)
SELECT
  entity_type,
  entity_key,
  valid_from,
  valid_to,
  next_valid_from
FROM versions
WHERE
  COALESCE(valid_to, CAST('9999-12-31' AS TIMESTAMP)) > COALESCE(next_valid_from, CAST('9999-12-31' AS TIMESTAMP))
  OR (
    COALESCE(close_reason, '') <> 'disappeared'
    AND COALESCE(valid_to, CAST('9999-12-31' AS TIMESTAMP)) <> COALESCE(next_valid_from, CAST('9999-12-31' AS TIMESTAMP))
  )
ORDER BY
  entity_type,
  entity_key,
  valid_from

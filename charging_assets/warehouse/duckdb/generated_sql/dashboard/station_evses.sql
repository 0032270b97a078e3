-- Generated from sql/dashboard/station_evses.sql (706e05877c8743f8) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  evses.evse_key,
  evses.evse_uid,
  evses.evse_id,
  evses.physical_reference,
  evses.valid_from,
  evses.valid_to,
  evses.close_reason,
  evses.is_current,
  MAX(connectors.max_power_kw) AS max_power_kw,
  MAX(connectors.power_type) AS power_type,
  COUNT(DISTINCT connectors.connector_key) AS connector_count
FROM warehouse.dim_evse AS evses
LEFT JOIN warehouse.dim_connector AS connectors
  ON evses.evse_key = connectors.evse_key
  AND connectors.valid_from < COALESCE(evses.valid_to, CAST('9999-12-31' AS TIMESTAMP))
  AND (
    connectors.valid_to IS NULL OR evses.valid_from < connectors.valid_to
  )
WHERE
  evses.station_key = $station_key
GROUP BY
  evses.evse_key,
  evses.evse_uid,
  evses.evse_id,
  evses.physical_reference,
  evses.valid_from,
  evses.valid_to,
  evses.close_reason,
  evses.is_current
ORDER BY
  evses.evse_uid ASC,
  evses.valid_from DESC NULLS FIRST

-- Generated from sql/original/connector.sql (74675e082314ef9b) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  connectors.connector_id AS id_connector,
  evses.evse_id AS id_cp,
  connectors.format,
  connectors.power_type,
  CAST(connectors.ampere AS INT) AS ampere,
  CAST(connectors.max_power_kw AS INT) AS max_power,
  CAST(connectors.voltage AS INT) AS voltage,
  connectors.standard
FROM warehouse.dim_connector AS connectors
LEFT JOIN warehouse.dim_evse AS evses
  ON connectors.evse_key = evses.evse_key AND evses.is_current
WHERE
  connectors.is_current
  AND connectors.feed IN (
    SELECT
      polls.feed
    FROM warehouse.fact_poll AS polls
    WHERE
      polls.feed_kind = 'chargecloud'
  )

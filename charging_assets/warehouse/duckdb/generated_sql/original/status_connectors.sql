-- Generated from sql/original/status_connectors.sql (e72eb0d1775ad012) by python -m charging_assets.warehouse.transpile; do not edit.
WITH polled AS (
  SELECT DISTINCT
    runs.place,
    polls.slot_at,
    polls.observed_at,
    connectors.connector_key,
    connectors.connector_id,
    runs.status,
    runs.connector_status_overrides
  FROM warehouse.fact_status AS runs
  INNER JOIN warehouse.fact_poll AS polls
    ON runs.feed = polls.feed
    AND runs.place = polls.place
    AND runs.first_slot_at <= polls.slot_at
    AND runs.last_slot_at >= polls.slot_at
  INNER JOIN warehouse.dim_connector AS connectors
    ON runs.evse_key = connectors.evse_key
    AND polls.slot_at >= connectors.valid_from
    AND (
      connectors.valid_to IS NULL OR polls.slot_at < connectors.valid_to
    )
  INNER JOIN warehouse.entity_observation AS observations
    ON observations.entity_type = 'connector'
    AND connectors.connector_key = observations.entity_key
    AND polls.slot_at >= observations.slot_at
    AND polls.slot_at <= observations.last_slot_at
    AND DATE_TRUNC('HOUR', polls.slot_at) = DATE_TRUNC('HOUR', observations.slot_at)
  WHERE
    polls.feed_kind = 'chargecloud' AND polls.outcome IN ('ok', 'not_modified')
)
SELECT
  connector_key % 4611686018427387904 + DATE_DIFF('SECOND', CAST('2021-01-01' AS TIMESTAMP), CAST(slot_at AS TIMESTAMP)) AS id_status_connector,
  connector_id AS id_connector,
  CAST(observed_at AS TIMESTAMP) AT TIME ZONE 'UTC' AS query_time,
  CASE
    WHEN STRPOS(connector_status_overrides, '{"' || connector_id || '":') = 1
    OR STRPOS(connector_status_overrides, ',"' || connector_id || '":') > 0
    THEN NULLIF(connector_status_overrides ->> connector_id, '')
    ELSE status
  END AS status_connector
FROM polled

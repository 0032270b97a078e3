-- Generated from sql/dimensions/connector_attributes.sql (f06e58861ae473cf) by python -m charging_assets.warehouse.transpile; do not edit.
WITH first_published AS (
  SELECT
    connector_key,
    attribute_hash,
    MIN(slot_at) AS slot_at
  FROM staging.flat_connectors
  WHERE
    slot_at >= $window_start
    AND slot_at < $window_end
    AND connector_key IN (
      SELECT
        affected_entity.entity_key
      FROM affected_entity
    )
  GROUP BY
    connector_key,
    attribute_hash
), published AS (
  SELECT
    states.connector_key,
    states.attribute_hash,
    states.connector_id,
    states.identity_hash,
    states.evse_key,
    states.evse_uid,
    states.standard,
    states.format,
    states.power_type,
    states.ampere,
    states.voltage,
    states.max_power_kw,
    states.tariff_id,
    states.extra,
    ROW_NUMBER() OVER (
      PARTITION BY states.connector_key, states.attribute_hash
      ORDER BY states.feed, states.place
    ) AS state_rank
  FROM staging.flat_connectors AS states
  INNER JOIN first_published
    ON states.connector_key = first_published.connector_key
    AND states.attribute_hash = first_published.attribute_hash
    AND states.slot_at = first_published.slot_at
), attribute_states AS (
  SELECT
    connector_key,
    attribute_hash,
    connector_id,
    identity_hash,
    evse_key,
    evse_uid,
    standard,
    format,
    power_type,
    ampere,
    voltage,
    max_power_kw,
    tariff_id,
    extra
  FROM published
  WHERE
    state_rank = 1
  UNION ALL
  SELECT
    stored.connector_key,
    stored.attribute_hash,
    stored.connector_id,
    stored.identity_hash,
    stored.evse_key,
    stored.evse_uid,
    stored.standard,
    stored.format,
    stored.power_type,
    stored.ampere,
    stored.voltage,
    stored.max_power_kw,
    stored.tariff_id,
    stored.extra
  FROM warehouse.connector_attributes AS stored
  LEFT JOIN published
    ON stored.connector_key = published.connector_key
    AND stored.attribute_hash = published.attribute_hash
  WHERE
    published.connector_key IS NULL
    AND stored.connector_key IN (
      SELECT
        affected_entity.entity_key
      FROM affected_entity
    )
), referenced AS (
  SELECT DISTINCT
    entity_key,
    attribute_hash
  FROM warehouse.entity_version
  WHERE
    entity_type = 'connector'
    AND entity_key IN (
      SELECT
        affected_entity.entity_key
      FROM affected_entity
    )
)
SELECT
  attribute_states.connector_key,
  attribute_states.attribute_hash,
  attribute_states.connector_id,
  attribute_states.identity_hash,
  attribute_states.evse_key,
  attribute_states.evse_uid,
  attribute_states.standard,
  attribute_states.format,
  attribute_states.power_type,
  attribute_states.ampere,
  attribute_states.voltage,
  attribute_states.max_power_kw,
  attribute_states.tariff_id,
  attribute_states.extra
FROM attribute_states
INNER JOIN referenced
  ON attribute_states.connector_key = referenced.entity_key
  AND attribute_states.attribute_hash = referenced.attribute_hash

-- Generated from sql/staging/key_conflict.sql (aeeffc4f1d06efc2) by python -m charging_assets.warehouse.transpile; do not edit.
WITH staged AS (
  SELECT
    slot_at,
    CAST('station' AS TEXT(16)) AS entity_type,
    station_key AS entity_key,
    identity_hash,
    station_id AS entity_id,
    0 AS rejected
  FROM staging.flat_stations
  WHERE
    station_key IN (
      SELECT
        contested_key.entity_key
      FROM contested_key
    )
  UNION ALL
  SELECT
    slot_at,
    CAST('evse' AS TEXT(16)) AS entity_type,
    evse_key AS entity_key,
    identity_hash,
    evse_uid AS entity_id,
    0 AS rejected
  FROM staging.flat_evses
  WHERE
    evse_key IN (
      SELECT
        contested_key.entity_key
      FROM contested_key
    )
  UNION ALL
  SELECT
    slot_at,
    CAST('connector' AS TEXT(16)) AS entity_type,
    connector_key AS entity_key,
    identity_hash,
    connector_id AS entity_id,
    0 AS rejected
  FROM staging.flat_connectors
  WHERE
    connector_key IN (
      SELECT
        contested_key.entity_key
      FROM contested_key
    )
), observed AS (
  SELECT
    observations.slot_at,
    observations.entity_type,
    observations.entity_key,
    states.identity_hash,
    states.station_id AS entity_id,
    0 AS rejected
  FROM warehouse.entity_observation AS observations
  INNER JOIN warehouse.station_attributes AS states
    ON observations.entity_key = states.station_key
    AND observations.attribute_hash = states.attribute_hash
  WHERE
    observations.entity_type = 'station'
    AND observations.entity_key IN (
      SELECT
        contested_key.entity_key
      FROM contested_key
    )
  UNION ALL
  SELECT
    observations.slot_at,
    observations.entity_type,
    observations.entity_key,
    states.identity_hash,
    states.evse_uid AS entity_id,
    0 AS rejected
  FROM warehouse.entity_observation AS observations
  INNER JOIN warehouse.evse_attributes AS states
    ON observations.entity_key = states.evse_key
    AND observations.attribute_hash = states.attribute_hash
  WHERE
    observations.entity_type = 'evse'
    AND observations.entity_key IN (
      SELECT
        contested_key.entity_key
      FROM contested_key
    )
  UNION ALL
  SELECT
    observations.slot_at,
    observations.entity_type,
    observations.entity_key,
    states.identity_hash,
    states.connector_id AS entity_id,
    0 AS rejected
  FROM warehouse.entity_observation AS observations
  INNER JOIN warehouse.connector_attributes AS states
    ON observations.entity_key = states.connector_key
    AND observations.attribute_hash = states.attribute_hash
  WHERE
    observations.entity_type = 'connector'
    AND observations.entity_key IN (
      SELECT
        contested_key.entity_key
      FROM contested_key
    )
), staged_hour AS (
  SELECT DISTINCT
    slot_at
  FROM ops.ledger
  WHERE
    asset = 'staged_tables' AND is_staged
), other_hours AS (
  SELECT DISTINCT
    entity_type,
    entity_key
  FROM ops.key_conflict
  WHERE
    slot_at < $window_start OR slot_at >= $window_end
), newly_contested AS (
  SELECT
    contested_key.entity_type,
    contested_key.entity_key
  FROM contested_key
  LEFT JOIN other_hours
    ON contested_key.entity_type = other_hours.entity_type
    AND contested_key.entity_key = other_hours.entity_key
  WHERE
    other_hours.entity_key IS NULL
), claims AS (
  SELECT
    staged.*
  FROM staged
  WHERE
    staged.slot_at >= $window_start AND staged.slot_at < $window_end
  UNION ALL
  SELECT
    slot_at,
    entity AS entity_type,
    entity_key,
    identity_hash,
    entity_id,
    1 AS rejected
  FROM ops.flat_rejects
  WHERE
    entity_key IN (
      SELECT
        contested_key.entity_key
      FROM contested_key
    )
    AND slot_at >= $window_start
    AND slot_at < $window_end
  UNION ALL
  SELECT
    staged.*
  FROM staged
  INNER JOIN newly_contested
    ON staged.entity_type = newly_contested.entity_type
    AND staged.entity_key = newly_contested.entity_key
  INNER JOIN staged_hour
    ON DATE_TRUNC('HOUR', staged.slot_at) = staged_hour.slot_at
  WHERE
    staged.slot_at < $window_start OR staged.slot_at >= $window_end
  UNION ALL
  SELECT
    observed.*
  FROM observed
  INNER JOIN newly_contested
    ON observed.entity_type = newly_contested.entity_type
    AND observed.entity_key = newly_contested.entity_key
  LEFT JOIN staged_hour
    ON DATE_TRUNC('HOUR', observed.slot_at) = staged_hour.slot_at
  WHERE
    staged_hour.slot_at IS NULL
    AND (
      observed.slot_at < $window_start OR observed.slot_at >= $window_end
    )
)
SELECT
  MIN(claims.slot_at) AS slot_at,
  claims.entity_type,
  claims.entity_key,
  claims.identity_hash,
  MIN(claims.entity_id) AS entity_id,
  MIN(claims.rejected) = 1 AS is_rejected
FROM claims
INNER JOIN contested_key
  ON claims.entity_type = contested_key.entity_type
  AND claims.entity_key = contested_key.entity_key
WHERE
  NOT claims.identity_hash IS NULL
GROUP BY
  DATE_TRUNC('HOUR', claims.slot_at),
  claims.entity_type,
  claims.entity_key,
  claims.identity_hash

-- Generated from sql/staging/contested_key.sql (30fac65c916425b1) by python -m charging_assets.warehouse.transpile; do not edit.
WITH published AS (
  SELECT
    CAST('station' AS TEXT(16)) AS entity_type,
    station_key AS entity_key,
    identity_hash
  FROM staging.flat_stations
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
  UNION ALL
  SELECT
    CAST('evse' AS TEXT(16)) AS entity_type,
    evse_key AS entity_key,
    identity_hash
  FROM staging.flat_evses
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
  UNION ALL
  SELECT
    CAST('connector' AS TEXT(16)) AS entity_type,
    connector_key AS entity_key,
    identity_hash
  FROM staging.flat_connectors
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
  UNION ALL
  SELECT
    entity AS entity_type,
    entity_key,
    identity_hash
  FROM ops.flat_rejects
  WHERE
    NOT entity_key IS NULL AND slot_at >= $window_start AND slot_at < $window_end
), existing AS (
  SELECT
    CAST('station' AS TEXT(16)) AS entity_type,
    station_key AS entity_key,
    identity_hash
  FROM warehouse.station_attributes
  UNION ALL
  SELECT
    CAST('evse' AS TEXT(16)) AS entity_type,
    evse_key AS entity_key,
    identity_hash
  FROM warehouse.evse_attributes
  UNION ALL
  SELECT
    CAST('connector' AS TEXT(16)) AS entity_type,
    connector_key AS entity_key,
    identity_hash
  FROM warehouse.connector_attributes
  UNION ALL
  SELECT
    CAST('station' AS TEXT(16)) AS entity_type,
    station_key AS entity_key,
    identity_hash
  FROM staging.flat_stations
  WHERE
    slot_at >= $underived_from AND slot_at < $underived_to
  UNION ALL
  SELECT
    CAST('evse' AS TEXT(16)) AS entity_type,
    evse_key AS entity_key,
    identity_hash
  FROM staging.flat_evses
  WHERE
    slot_at >= $underived_from AND slot_at < $underived_to
  UNION ALL
  SELECT
    CAST('connector' AS TEXT(16)) AS entity_type,
    connector_key AS entity_key,
    identity_hash
  FROM staging.flat_connectors
  WHERE
    slot_at >= $underived_from AND slot_at < $underived_to
  UNION ALL
  SELECT
    entity_type,
    entity_key,
    identity_hash
  FROM ops.key_conflict
)
SELECT
  entity_type,
  entity_key
FROM published
GROUP BY
  entity_type,
  entity_key
HAVING
  MIN(identity_hash) <> MAX(identity_hash)
UNION
SELECT
  published.entity_type,
  published.entity_key
FROM published
INNER JOIN existing
  ON published.entity_type = existing.entity_type
  AND published.entity_key = existing.entity_key
  AND published.identity_hash <> existing.identity_hash
UNION
SELECT
  entity_type,
  entity_key
FROM ops.key_conflict
WHERE
  slot_at >= $window_start AND slot_at < $window_end

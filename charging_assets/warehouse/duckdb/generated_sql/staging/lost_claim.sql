-- Generated from sql/staging/lost_claim.sql (3afd70f6518a0150) by python -m charging_assets.warehouse.transpile; do not edit.
WITH lost AS (
  SELECT
    DATE_TRUNC('HOUR', conflicts.slot_at) AS hour_at,
    conflicts.entity_type,
    conflicts.entity_key,
    conflicts.identity_hash,
    CASE conflicts.entity_type WHEN 'station' THEN 1 WHEN 'evse' THEN 2 ELSE 3 END AS entity_level
  FROM ops.key_conflict AS conflicts
  INNER JOIN key_claim
    ON conflicts.entity_type = key_claim.entity_type
    AND conflicts.entity_key = key_claim.entity_key
    AND conflicts.identity_hash = key_claim.identity_hash
  WHERE
    conflicts.slot_at >= $window_start
    AND conflicts.slot_at < $window_end
    AND NOT conflicts.is_rejected
    AND key_claim.claim_rank > 1
), highest AS (
  SELECT
    MIN(entity_level) AS entity_level
  FROM lost
), staged AS (
  SELECT
    DATE_TRUNC('HOUR', slot_at) AS hour_at,
    feed,
    CAST('station' AS TEXT(16)) AS entity_type,
    station_key AS entity_key,
    identity_hash
  FROM staging.flat_stations
  WHERE
    station_key IN (
      SELECT
        lost.entity_key
      FROM lost
    )
    AND slot_at >= $window_start
    AND slot_at < $window_end
  UNION ALL
  SELECT
    DATE_TRUNC('HOUR', slot_at) AS hour_at,
    feed,
    CAST('evse' AS TEXT(16)) AS entity_type,
    evse_key AS entity_key,
    identity_hash
  FROM staging.flat_evses
  WHERE
    evse_key IN (
      SELECT
        lost.entity_key
      FROM lost
    )
    AND slot_at >= $window_start
    AND slot_at < $window_end
  UNION ALL
  SELECT
    DATE_TRUNC('HOUR', slot_at) AS hour_at,
    feed,
    CAST('connector' AS TEXT(16)) AS entity_type,
    connector_key AS entity_key,
    identity_hash
  FROM staging.flat_connectors
  WHERE
    connector_key IN (
      SELECT
        lost.entity_key
      FROM lost
    )
    AND slot_at >= $window_start
    AND slot_at < $window_end
)
SELECT DISTINCT
  lost.hour_at,
  staged.feed,
  lost.entity_type,
  lost.entity_key,
  lost.identity_hash
FROM lost
INNER JOIN highest
  ON lost.entity_level = highest.entity_level
INNER JOIN staged
  ON lost.hour_at = staged.hour_at
  AND lost.entity_type = staged.entity_type
  AND lost.entity_key = staged.entity_key
  AND lost.identity_hash = staged.identity_hash

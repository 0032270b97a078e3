-- Generated from sql/dimensions/entity_observation.sql (9bbd4407e3b22005) by python -m charging_assets.warehouse.transpile; do not edit.
WITH flat_states AS (
  SELECT
    slot_at,
    last_slot_at,
    CAST('station' AS TEXT(16)) AS entity_type,
    station_key AS entity_key,
    CAST(NULL AS BIGINT) AS evse_key,
    attribute_hash,
    feed,
    place,
    poll_count
  FROM staging.flat_stations
  UNION ALL
  SELECT
    slot_at,
    last_slot_at,
    CAST('evse' AS TEXT(16)) AS entity_type,
    evse_key AS entity_key,
    evse_key,
    attribute_hash,
    feed,
    place,
    poll_count
  FROM staging.flat_evses
  UNION ALL
  SELECT
    slot_at,
    last_slot_at,
    CAST('connector' AS TEXT(16)) AS entity_type,
    connector_key AS entity_key,
    evse_key,
    attribute_hash,
    feed,
    place,
    poll_count
  FROM staging.flat_connectors
), dormant AS (
  SELECT
    evse_key,
    feed,
    place,
    DATE_TRUNC('HOUR', slot_at) AS hour_at,
    MIN(CASE status WHEN 'REMOVED' THEN 2 WHEN 'PLANNED' THEN 1 ELSE 0 END) AS dormancy
  FROM staging.flat_status
  WHERE
    slot_at >= $window_start
    AND slot_at < $window_end
    AND evse_key IN (
      SELECT
        statuses.evse_key
      FROM staging.flat_status AS statuses
      WHERE
        statuses.slot_at >= $window_start
        AND statuses.slot_at < $window_end
        AND statuses.status IN ('REMOVED', 'PLANNED')
    )
  GROUP BY
    evse_key,
    feed,
    place,
    DATE_TRUNC('HOUR', slot_at)
), in_scope AS (
  SELECT
    flat_states.*,
    DATE_TRUNC('HOUR', flat_states.slot_at) AS hour_at,
    MIN(flat_states.place) OVER (PARTITION BY flat_states.entity_key, DATE_TRUNC('HOUR', flat_states.slot_at)) AS first_place,
    MAX(flat_states.place) OVER (PARTITION BY flat_states.entity_key, DATE_TRUNC('HOUR', flat_states.slot_at)) AS last_place,
    MIN(flat_states.feed) OVER (PARTITION BY flat_states.entity_key, DATE_TRUNC('HOUR', flat_states.slot_at)) AS first_feed,
    MAX(flat_states.feed) OVER (PARTITION BY flat_states.entity_key, DATE_TRUNC('HOUR', flat_states.slot_at)) AS last_feed
  FROM flat_states
  WHERE
    flat_states.entity_type = $entity_type
    AND flat_states.slot_at >= $window_start
    AND flat_states.slot_at < $window_end
), ordered AS (
  SELECT
    in_scope.*,
    CAST(COALESCE(dormant.dormancy, 0) AS TEXT(1)) || ' ' || in_scope.place || ' ' || in_scope.feed AS choice
  FROM in_scope
  LEFT JOIN dormant
    ON in_scope.evse_key = dormant.evse_key
    AND in_scope.feed = dormant.feed
    AND in_scope.place = dormant.place
    AND in_scope.hour_at = dormant.hour_at
  WHERE
    in_scope.first_place <> in_scope.last_place
    OR in_scope.first_feed <> in_scope.last_feed
), ranked AS (
  SELECT
    ordered.*,
    MIN(choice) OVER (PARTITION BY entity_key, hour_at) AS first_choice,
    ROW_NUMBER() OVER (PARTITION BY entity_key, hour_at ORDER BY slot_at, choice) AS early_rank,
    ROW_NUMBER() OVER (
      PARTITION BY entity_key, hour_at
      ORDER BY last_slot_at DESC NULLS FIRST, choice ASC
    ) AS late_rank
  FROM ordered
), extended AS (
  SELECT
    CASE WHEN choice = first_choice OR early_rank = 1 THEN slot_at ELSE last_slot_at END AS slot_at,
    CASE WHEN choice = first_choice OR late_rank = 1 THEN last_slot_at ELSE slot_at END AS last_slot_at,
    entity_type,
    entity_key,
    attribute_hash,
    feed,
    choice,
    poll_count,
    hour_at
  FROM ranked
  WHERE
    choice = first_choice OR early_rank = 1 OR late_rank = 1
)
SELECT
  slot_at,
  last_slot_at,
  entity_type,
  entity_key,
  attribute_hash,
  feed,
  place,
  poll_count
FROM in_scope
WHERE
  first_place = last_place AND first_feed = last_feed
UNION ALL
SELECT
  MIN(slot_at) AS slot_at,
  MAX(last_slot_at) AS last_slot_at,
  entity_type,
  entity_key,
  attribute_hash,
  feed,
  SPLIT_PART(MIN(choice), ' ', 2) AS place,
  MAX(poll_count) AS poll_count
FROM extended
GROUP BY
  entity_type,
  entity_key,
  attribute_hash,
  feed,
  hour_at

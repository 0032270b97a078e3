-- Generated from sql/dashboard/now_stations.sql (5040608f43a1c773) by python -m charging_assets.warehouse.transpile; do not edit.
WITH latest AS (
  SELECT
    place,
    MAX(slot_at) AS slot_at,
    DATE_TRUNC('HOUR', MAX(slot_at)) AS hour_at
  FROM warehouse.fact_poll
  WHERE
    feed = $feed
    AND outcome IN ('ok', 'not_modified')
    AND slot_at >= $window_start
    AND slot_at <= $now_at
  GROUP BY
    place
), runs AS (
  SELECT
    place,
    evse_key,
    status,
    CASE status WHEN 'REMOVED' THEN 2 WHEN 'PLANNED' THEN 1 ELSE 0 END AS dormancy,
    first_slot_at,
    last_slot_at,
    DATE_TRUNC('HOUR', slot_at) AS hour_at
  FROM warehouse.fact_status
  WHERE
    feed = $feed
    AND slot_at <= $now_at
    AND slot_at >= (
      SELECT
        MIN(hour_at)
      FROM latest
    )
), states AS (
  SELECT
    runs.evse_key,
    runs.status,
    latest.slot_at,
    ROW_NUMBER() OVER (
      PARTITION BY runs.evse_key
      ORDER BY latest.slot_at DESC NULLS FIRST, runs.dormancy ASC, runs.place ASC
    ) AS place_rank
  FROM latest
  INNER JOIN runs
    ON latest.place = runs.place
    AND latest.hour_at = runs.hour_at
    AND latest.slot_at >= runs.first_slot_at
    AND latest.slot_at <= runs.last_slot_at
), evse_counts AS (
  SELECT
    evses.station_key,
    COUNT(*) AS evse_count,
    SUM(CASE WHEN states.status = 'AVAILABLE' THEN 1 ELSE 0 END) AS available_count,
    SUM(CASE WHEN states.status = 'CHARGING' THEN 1 ELSE 0 END) AS charging_count,
    SUM(CASE WHEN states.status IN ('RESERVED', 'BLOCKED') THEN 1 ELSE 0 END) AS reserved_or_blocked_count,
    SUM(CASE WHEN states.status IN ('INOPERATIVE', 'OUTOFORDER') THEN 1 ELSE 0 END) AS failed_count,
    SUM(CASE WHEN states.evse_key IS NULL THEN 1 ELSE 0 END) AS absent_count
  FROM warehouse.dim_evse AS evses
  LEFT JOIN states
    ON evses.evse_key = states.evse_key AND states.place_rank = 1
  WHERE
    evses.feed = $feed
    AND evses.valid_from <= $now_at
    AND (
      evses.valid_to IS NULL OR evses.valid_to > $now_at
    )
  GROUP BY
    evses.station_key
)
SELECT
  stations.station_key,
  stations.name,
  stations.place,
  stations.city,
  stations.address,
  stations.operator_name,
  stations.latitude,
  stations.longitude,
  CAST(evse_counts.evse_count AS INT) AS evse_count,
  CAST(evse_counts.available_count AS INT) AS available_count,
  CAST(evse_counts.charging_count AS INT) AS charging_count,
  CAST(evse_counts.reserved_or_blocked_count AS INT) AS reserved_or_blocked_count,
  CAST(evse_counts.failed_count AS INT) AS failed_count,
  CAST(evse_counts.evse_count - evse_counts.available_count - evse_counts.charging_count - evse_counts.reserved_or_blocked_count - evse_counts.failed_count - evse_counts.absent_count AS INT) AS unknown_count,
  CAST(evse_counts.absent_count AS INT) AS absent_count,
  latest.slot_at AS seen_at
FROM warehouse.dim_station AS stations
INNER JOIN evse_counts
  ON stations.station_key = evse_counts.station_key
LEFT JOIN latest
  ON stations.place = latest.place
WHERE
  stations.valid_from <= $now_at
  AND (
    stations.valid_to IS NULL OR stations.valid_to > $now_at
  )
ORDER BY
  stations.place,
  stations.name,
  stations.station_key

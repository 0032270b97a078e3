-- Generated from sql/facts/fact_status.sql (944b8be77002eb92) by python -m charging_assets.warehouse.transpile; do not edit.
WITH states AS (
  SELECT
    evse_key,
    DATE_TRUNC('HOUR', slot_at) AS hour_at,
    place,
    feed,
    evse_uid,
    status,
    parking_status,
    connector_status_overrides,
    MIN(slot_at) AS slot_at,
    MAX(slot_at) AS last_slot_at,
    COUNT(*) AS poll_count,
    MAX(poll_ordinal) - MIN(poll_ordinal) + 1 AS ordinal_count
  FROM staging.flat_status
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
  GROUP BY
    evse_key,
    DATE_TRUNC('HOUR', slot_at),
    place,
    feed,
    evse_uid,
    status,
    parking_status,
    connector_status_overrides
), interrupted AS (
  SELECT
    states.*,
    ROW_NUMBER() OVER (ORDER BY evse_key, slot_at, place) AS state_number
  FROM states
  WHERE
    ordinal_count <> poll_count
), polled AS (
  SELECT
    evse_key,
    DATE_TRUNC('HOUR', slot_at) AS hour_at,
    place,
    status,
    parking_status,
    connector_status_overrides,
    slot_at,
    poll_ordinal
  FROM staging.flat_status
  WHERE
    slot_at >= $window_start
    AND slot_at < $window_end
    AND evse_key IN (
      SELECT
        interrupted.evse_key
      FROM interrupted
    )
), numbered AS (
  SELECT
    interrupted.state_number,
    polled.slot_at,
    polled.poll_ordinal - ROW_NUMBER() OVER (PARTITION BY interrupted.state_number ORDER BY polled.poll_ordinal) AS run_number
  FROM polled
  INNER JOIN interrupted
    ON polled.evse_key = interrupted.evse_key
    AND polled.hour_at = interrupted.hour_at
    AND polled.place = interrupted.place
    AND (
      polled.status = interrupted.status
      OR (
        polled.status IS NULL AND interrupted.status IS NULL
      )
    )
    AND (
      polled.parking_status = interrupted.parking_status
      OR (
        polled.parking_status IS NULL AND interrupted.parking_status IS NULL
      )
    )
    AND (
      polled.connector_status_overrides = interrupted.connector_status_overrides
      OR (
        polled.connector_status_overrides IS NULL
        AND interrupted.connector_status_overrides IS NULL
      )
    )
), runs AS (
  SELECT
    state_number,
    MIN(slot_at) AS slot_at,
    MAX(slot_at) AS last_slot_at,
    COUNT(*) AS poll_count
  FROM numbered
  GROUP BY
    state_number,
    run_number
)
SELECT
  slot_at,
  feed,
  place,
  evse_key,
  evse_uid,
  status,
  parking_status,
  connector_status_overrides,
  slot_at AS first_slot_at,
  last_slot_at,
  CAST(poll_count AS INT) AS poll_count
FROM states
WHERE
  ordinal_count = poll_count
UNION ALL
SELECT
  runs.slot_at,
  interrupted.feed,
  interrupted.place,
  interrupted.evse_key,
  interrupted.evse_uid,
  interrupted.status,
  interrupted.parking_status,
  interrupted.connector_status_overrides,
  runs.slot_at AS first_slot_at,
  runs.last_slot_at,
  CAST(runs.poll_count AS INT) AS poll_count
FROM runs
INNER JOIN interrupted
  ON runs.state_number = interrupted.state_number

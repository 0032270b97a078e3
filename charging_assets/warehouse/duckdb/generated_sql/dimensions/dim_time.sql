-- Generated from sql/dimensions/dim_time.sql (72ff06a070b183b5) by python -m charging_assets.warehouse.transpile; do not edit.
WITH hours AS (
  SELECT DISTINCT
    time_zone,
    DATE_TRUNC('HOUR', slot_at) AS slot_at
  FROM warehouse.fact_poll
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
), local_hours AS (
  SELECT
    slot_at,
    time_zone,
    CAST(slot_at AS TIMESTAMP) AT TIME ZONE 'UTC' AT TIME ZONE time_zone AS local_at,
    CAST(CAST(slot_at AS TIMESTAMP) + INTERVAL (-1) HOUR AS TIMESTAMP) AT TIME ZONE 'UTC' AT TIME ZONE time_zone AS local_before
  FROM hours
)
SELECT
  slot_at,
  time_zone,
  local_at,
  DATE_TRUNC('DAY', local_at) AS local_date,
  CAST(EXTRACT(HOUR FROM local_at) AS SMALLINT) AS local_hour,
  CAST(CASE
    WHEN EXTRACT(DAYOFWEEK FROM local_at) = 0
    THEN 7
    ELSE EXTRACT(DAYOFWEEK FROM local_at)
  END AS SMALLINT) AS weekday,
  CAST(DATE_DIFF('MINUTE', CAST(slot_at AS TIMESTAMP), CAST(local_at AS TIMESTAMP)) AS SMALLINT) AS utc_offset_min,
  CAST(CASE
    WHEN DATE_TRUNC('HOUR', local_at) = DATE_TRUNC('HOUR', local_before)
    THEN 1
    ELSE 0
  END AS SMALLINT) AS fold
FROM local_hours

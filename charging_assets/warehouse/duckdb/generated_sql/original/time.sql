-- Generated from sql/original/time.sql (63cba46b8503b9ee) by python -m charging_assets.warehouse.transpile; do not edit.
WITH times AS (
  SELECT DISTINCT
    polls.observed_at,
    CAST(polls.observed_at AS TIMESTAMP) AT TIME ZONE 'UTC' AT TIME ZONE polls.time_zone AS local_at
  FROM warehouse.fact_poll AS polls
  WHERE
    polls.feed_kind = 'chargecloud'
    AND polls.outcome IN ('ok', 'not_modified')
    AND NOT polls.observed_at IS NULL
)
SELECT
  CAST(observed_at AS TIMESTAMP) AT TIME ZONE 'UTC' AS query_time,
  CAST(EXTRACT(HOUR FROM local_at) AS INT) AS hour,
  CAST(EXTRACT(DAY FROM local_at) AS INT) AS day,
  CAST(EXTRACT(WEEK FROM local_at) AS INT) AS week,
  CAST(EXTRACT(MONTH FROM local_at) AS INT) AS month,
  CAST(EXTRACT(YEAR FROM local_at) AS INT) AS year,
  CAST((
    CAST(EXTRACT(DAYOFWEEK FROM local_at) AS INT) + 6
  ) % 7 AS INT) AS weekday
FROM times

-- Generated from sql/dashboard/station_runs.sql (c05655175a0d865f) by python -m charging_assets.warehouse.transpile; do not edit.
WITH evses AS (
  SELECT DISTINCT
    evse_key
  FROM warehouse.dim_evse
  WHERE
    station_key = $station_key
), chosen AS (
  SELECT
    runs.evse_key,
    runs.feed,
    runs.place,
    COALESCE(runs.status, 'UNKNOWN') AS status,
    runs.first_slot_at,
    runs.last_slot_at,
    runs.poll_count,
    polls.cadence_s,
    MIN(
      CAST(CASE runs.status WHEN 'REMOVED' THEN 2 WHEN 'PLANNED' THEN 1 ELSE 0 END AS TEXT(1)) || ' ' || runs.place || ' ' || runs.feed
    ) OVER (PARTITION BY runs.evse_key, DATE_TRUNC('HOUR', runs.slot_at)) AS first_choice
  FROM warehouse.fact_status AS runs
  INNER JOIN evses
    ON runs.evse_key = evses.evse_key
  INNER JOIN warehouse.fact_poll AS polls
    ON runs.feed = polls.feed
    AND runs.place = polls.place
    AND runs.slot_at = polls.slot_at
    AND polls.slot_at >= $window_start
    AND polls.slot_at < $window_end
  WHERE
    runs.slot_at >= $window_start AND runs.slot_at < $window_end
), neighbours AS (
  SELECT
    chosen.*,
    LAG(status) OVER (PARTITION BY evse_key ORDER BY first_slot_at) AS status_before,
    LAG(last_slot_at) OVER (PARTITION BY evse_key ORDER BY first_slot_at) AS last_before
  FROM chosen
  WHERE
    place = SPLIT_PART(first_choice, ' ', 2)
    AND feed = SPLIT_PART(first_choice, ' ', 3)
), marked AS (
  SELECT
    neighbours.*,
    CASE
      WHEN status = status_before
      AND DATE_DIFF('SECOND', CAST(last_before AS TIMESTAMP), CAST(first_slot_at AS TIMESTAMP)) <= 2.5 * cadence_s
      THEN 0
      ELSE 1
    END AS begins
  FROM neighbours
), numbered AS (
  SELECT
    marked.*,
    SUM(begins) OVER (
      PARTITION BY evse_key
      ORDER BY first_slot_at
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS run_number
  FROM marked
)
SELECT
  evse_key,
  MAX(status) AS status,
  MIN(first_slot_at) AS first_slot_at,
  MAX(last_slot_at) AS last_slot_at,
  CAST(SUM(poll_count) AS INT) AS poll_count,
  MAX(cadence_s) AS cadence_s
FROM numbered
GROUP BY
  evse_key,
  run_number
ORDER BY
  evse_key,
  MIN(first_slot_at)

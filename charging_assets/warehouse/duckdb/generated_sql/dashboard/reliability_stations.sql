-- Generated from sql/dashboard/reliability_stations.sql (9d0706e06cc64e20) by python -m charging_assets.warehouse.transpile; do not edit.
WITH place_days AS (
  SELECT
    place,
    local_date,
    MIN(slot_at) AS begins_at,
    MAX(ends_at) AS ends_at
  FROM mart.mart_city_day
  WHERE
    feed = $feed AND local_date >= $from_date AND local_date <= $to_date
  GROUP BY
    place,
    local_date
), neighbours AS (
  SELECT
    place_days.*,
    LAG(begins_at) OVER (PARTITION BY place ORDER BY local_date) AS previous_at,
    LEAD(begins_at) OVER (PARTITION BY place ORDER BY local_date) AS next_at
  FROM place_days
), windows AS (
  SELECT
    place,
    local_date,
    begins_at,
    ends_at,
    GREATEST(
      0,
      DATE_DIFF(
        'SECOND',
        CAST(ends_at AS TIMESTAMP),
        CAST(LEAST(COALESCE(next_at, CAST($window_end AS TIMESTAMP)), CAST($now_at AS TIMESTAMP)) AS TIMESTAMP)
      )
    ) + CASE
      WHEN previous_at IS NULL
      THEN DATE_DIFF('SECOND', CAST($window_start AS TIMESTAMP), CAST(begins_at AS TIMESTAMP))
      ELSE 0
    END AS missing_s,
    GREATEST(
      0,
      DATE_DIFF(
        'SECOND',
        CAST(GREATEST(begins_at, CAST($now_at AS TIMESTAMP)) AS TIMESTAMP),
        CAST(ends_at AS TIMESTAMP)
      )
    ) AS future_s
  FROM neighbours
), days AS (
  SELECT
    station_days.*,
    ROW_NUMBER() OVER (
      PARTITION BY station_days.station_key
      ORDER BY station_days.local_date DESC NULLS FIRST
    ) AS day_rank,
    GREATEST(
      station_days.observed_s,
      station_days.window_s - station_days.evse_count * COALESCE(windows.future_s, 0)
    ) + station_days.evse_count * COALESCE(windows.missing_s, 0) AS period_window_s
  FROM mart.mart_station_day AS station_days
  LEFT JOIN windows
    ON station_days.place = windows.place
    AND station_days.local_date = windows.local_date
  WHERE
    station_days.feed = $feed
    AND station_days.local_date >= $from_date
    AND station_days.local_date <= $to_date
    AND (
      $place = '' OR station_days.place = $place
    )
    AND (
      $operator_name = ''
      OR COALESCE(station_days.operator_name, '(not stated)') = $operator_name
    )
), totals AS (
  SELECT
    station_key,
    MAX(CASE WHEN day_rank = 1 THEN station_name END) AS station_name,
    MAX(CASE WHEN day_rank = 1 THEN place END) AS place,
    MAX(CASE WHEN day_rank = 1 THEN operator_name END) AS operator_name,
    MAX(evse_count) AS evse_count,
    COUNT(*) AS day_count,
    CAST(SUM(observed_s) AS BIGINT) AS observed_s,
    CAST(SUM(available_s) AS BIGINT) AS available_s,
    CAST(SUM(charging_s) AS BIGINT) AS charging_s,
    CAST(SUM(reserved_s) AS BIGINT) AS reserved_s,
    CAST(SUM(blocked_s) AS BIGINT) AS blocked_s,
    CAST(SUM(inoperative_s) AS BIGINT) AS inoperative_s,
    CAST(SUM(out_of_order_s) AS BIGINT) AS out_of_order_s,
    CAST(SUM(unknown_s) AS BIGINT) AS unknown_s,
    CAST(SUM(period_window_s) AS BIGINT) AS window_s
  FROM days
  GROUP BY
    station_key
)
SELECT
  station_key,
  station_name,
  place,
  operator_name,
  evse_count,
  day_count,
  observed_s,
  available_s,
  charging_s,
  reserved_s,
  blocked_s,
  inoperative_s,
  out_of_order_s,
  unknown_s,
  window_s
FROM totals
WHERE
  observed_s * 5 >= window_s * 4
  AND (
    observed_s - unknown_s
  ) * 5 >= observed_s
  AND (
    inoperative_s + out_of_order_s
  ) * 100 > observed_s
ORDER BY
  CAST(inoperative_s + out_of_order_s AS DOUBLE) / GREATEST(1, observed_s) DESC NULLS FIRST,
  station_key ASC
LIMIT 1000

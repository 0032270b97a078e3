-- Generated from sql/dashboard/reliability_operators.sql (a270bd7740840bee) by python -m charging_assets.warehouse.transpile; do not edit.
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
)
SELECT
  COALESCE(days.operator_name, '(not stated)') AS operator_name,
  COUNT(DISTINCT days.station_key) AS station_count,
  COUNT(DISTINCT days.local_date) AS day_count,
  CAST(SUM(days.observed_s) AS BIGINT) AS observed_s,
  CAST(SUM(days.available_s) AS BIGINT) AS available_s,
  CAST(SUM(days.charging_s) AS BIGINT) AS charging_s,
  CAST(SUM(days.reserved_s) AS BIGINT) AS reserved_s,
  CAST(SUM(days.blocked_s) AS BIGINT) AS blocked_s,
  CAST(SUM(days.inoperative_s) AS BIGINT) AS inoperative_s,
  CAST(SUM(days.out_of_order_s) AS BIGINT) AS out_of_order_s,
  CAST(SUM(days.unknown_s) AS BIGINT) AS unknown_s,
  CAST(SUM(
    GREATEST(days.observed_s, days.window_s - days.evse_count * COALESCE(windows.future_s, 0)) + days.evse_count * COALESCE(windows.missing_s, 0)
  ) AS BIGINT) AS window_s
FROM mart.mart_station_day AS days
LEFT JOIN windows
  ON days.place = windows.place AND days.local_date = windows.local_date
WHERE
  days.feed = $feed
  AND days.local_date >= $from_date
  AND days.local_date <= $to_date
  AND (
    $place = '' OR days.place = $place
  )
  AND (
    $operator_name = ''
    OR COALESCE(days.operator_name, '(not stated)') = $operator_name
  )
GROUP BY
  COALESCE(days.operator_name, '(not stated)')
ORDER BY
  COALESCE(days.operator_name, '(not stated)')

-- Generated from sql/dashboard/quality_days.sql (037d68eaa44b5113) by python -m charging_assets.warehouse.transpile; do not edit.
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
  days.place,
  days.local_date,
  CAST(SUM(days.evse_count) AS INT) AS evse_count,
  CAST(SUM(days.observed_s) AS BIGINT) AS observed_s,
  CAST(SUM(days.window_s) AS BIGINT) AS window_s,
  CAST(SUM(
    GREATEST(days.observed_s, days.window_s - days.evse_count * COALESCE(windows.future_s, 0)) + days.evse_count * COALESCE(windows.missing_s, 0)
  ) AS BIGINT) AS period_window_s
FROM mart.mart_city_day AS days
LEFT JOIN windows
  ON days.place = windows.place AND days.local_date = windows.local_date
WHERE
  days.feed = $feed
  AND days.local_date >= $from_date
  AND days.local_date <= $to_date
GROUP BY
  days.place,
  days.local_date
ORDER BY
  days.place,
  days.local_date

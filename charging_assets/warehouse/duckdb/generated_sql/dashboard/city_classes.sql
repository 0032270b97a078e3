-- Generated from sql/dashboard/city_classes.sql (872d2ccaf8ab6112) by python -m charging_assets.warehouse.transpile; do not edit.
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
), by_day AS (
  SELECT
    days.power_class,
    days.local_date,
    SUM(days.evse_count) AS evse_count,
    SUM(days.observed_s) AS observed_s,
    SUM(days.available_s) AS available_s,
    SUM(days.charging_s) AS charging_s,
    SUM(days.reserved_s) AS reserved_s,
    SUM(days.blocked_s) AS blocked_s,
    SUM(days.inoperative_s) AS inoperative_s,
    SUM(days.out_of_order_s) AS out_of_order_s,
    SUM(days.unknown_s) AS unknown_s,
    SUM(days.session_count) AS session_count,
    SUM(days.session_exposure_s) AS session_exposure_s,
    SUM(
      GREATEST(days.observed_s, days.window_s - days.evse_count * COALESCE(windows.future_s, 0)) + days.evse_count * COALESCE(windows.missing_s, 0)
    ) AS window_s
  FROM mart.mart_city_day AS days
  LEFT JOIN windows
    ON days.place = windows.place AND days.local_date = windows.local_date
  WHERE
    days.feed = $feed
    AND days.local_date >= $from_date
    AND days.local_date <= $to_date
    AND (
      $place = '' OR days.place = $place
    )
  GROUP BY
    days.power_class,
    days.local_date
)
SELECT
  power_class,
  CAST(MAX(evse_count) AS INT) AS evse_count,
  CAST(SUM(observed_s) AS BIGINT) AS observed_s,
  CAST(SUM(available_s) AS BIGINT) AS available_s,
  CAST(SUM(charging_s) AS BIGINT) AS charging_s,
  CAST(SUM(reserved_s) AS BIGINT) AS reserved_s,
  CAST(SUM(blocked_s) AS BIGINT) AS blocked_s,
  CAST(SUM(inoperative_s) AS BIGINT) AS inoperative_s,
  CAST(SUM(out_of_order_s) AS BIGINT) AS out_of_order_s,
  CAST(SUM(unknown_s) AS BIGINT) AS unknown_s,
  CAST(SUM(window_s) AS BIGINT) AS window_s,
  CAST(SUM(session_count) AS BIGINT) AS session_count,
  CAST(SUM(session_exposure_s) AS BIGINT) AS session_exposure_s
FROM by_day
GROUP BY
  power_class
ORDER BY
  power_class

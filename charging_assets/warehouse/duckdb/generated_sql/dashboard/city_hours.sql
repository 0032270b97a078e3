-- Generated from sql/dashboard/city_hours.sql (33187cb5e9255b5e) by python -m charging_assets.warehouse.transpile; do not edit.
WITH hours AS (
  SELECT
    slot_at,
    SUM(observed_s) AS observed_s,
    SUM(operable_s) AS operable_s,
    SUM(charging_s) AS charging_s,
    SUM(
      GREATEST(
        observed_s,
        window_s - evse_count * GREATEST(
          0,
          DATE_DIFF(
            'SECOND',
            CAST($now_at AS TIMESTAMP),
            CAST(CAST(slot_at AS TIMESTAMP) + INTERVAL 1 HOUR AS TIMESTAMP)
          )
        )
      )
    ) AS window_s
  FROM mart.city_hour
  WHERE
    feed = $feed
    AND slot_at >= $window_start
    AND slot_at < $window_end
    AND (
      $place = '' OR place = $place
    )
    AND (
      $operator_name = '' OR operator_name = $operator_name
    )
  GROUP BY
    slot_at
)
SELECT
  times.weekday,
  times.local_hour,
  COUNT(*) AS hour_count,
  CAST(SUM(hours.observed_s) AS BIGINT) AS observed_s,
  CAST(SUM(hours.operable_s) AS BIGINT) AS operable_s,
  CAST(SUM(hours.charging_s) AS BIGINT) AS charging_s,
  CAST(SUM(hours.window_s) AS BIGINT) AS window_s
FROM hours
INNER JOIN warehouse.dim_time AS times
  ON hours.slot_at = times.slot_at AND times.time_zone = $time_zone
GROUP BY
  times.weekday,
  times.local_hour
ORDER BY
  times.weekday,
  times.local_hour

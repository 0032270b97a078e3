-- Generated from sql/dashboard/dwell.sql (54a0cc46df206103) by python -m charging_assets.warehouse.transpile; do not edit.
WITH station_days AS (
  SELECT
    station_key,
    local_date,
    place
  FROM mart.mart_station_day
  WHERE
    feed = $feed
    AND local_date >= $from_date
    AND local_date <= $to_date
    AND (
      $place = '' OR place = $place
    )
    AND (
      $operator_name = '' OR COALESCE(operator_name, '(not stated)') = $operator_name
    )
    AND (
      $station_key = 0 OR station_key = $station_key
    )
), started_sessions AS (
  SELECT
    evse_key,
    DATE_TRUNC('HOUR', slot_at) AS hour_at,
    CASE WHEN duration_s IS NULL THEN 0 ELSE 1 END AS is_end,
    COALESCE(
      duration_s,
      GREATEST(
        0,
        CAST(DATE_DIFF('MILLISECOND', CAST(started_at AS TIMESTAMP), CAST(ended_after AS TIMESTAMP)) AS DOUBLE) / 1000
      )
    ) AS lasted_s
  FROM warehouse.fact_charging_session
  WHERE
    feed = $feed
    AND slot_at >= $window_start
    AND slot_at < $window_end
    AND NOT is_start_censored
    AND (
      $evse_key = 0 OR evse_key = $evse_key
    )
), rounded AS (
  SELECT
    evse_key,
    hour_at,
    CAST(LEAST(FLOOR(CAST(lasted_s + 30 AS DOUBLE) / 60), 1440) AS INT) AS lasted_min,
    is_end
  FROM started_sessions
), hours AS (
  SELECT
    evse_key,
    station_key,
    power_class,
    slot_at
  FROM mart.mart_evse_hour
  WHERE
    feed = $feed
    AND slot_at >= $window_start
    AND slot_at < $window_end
    AND station_key IN (
      SELECT
        station_days.station_key
      FROM station_days
    )
    AND (
      $station_key = 0 OR station_key = $station_key
    )
    AND (
      $evse_key = 0 OR evse_key = $evse_key
    )
), station_hours AS (
  SELECT
    hours.station_key,
    hours.power_class,
    rounded.hour_at,
    rounded.lasted_min,
    SUM(rounded.is_end) AS end_count,
    COUNT(*) AS session_count
  FROM rounded
  INNER JOIN hours
    ON rounded.evse_key = hours.evse_key AND rounded.hour_at = hours.slot_at
  GROUP BY
    hours.station_key,
    hours.power_class,
    rounded.hour_at,
    rounded.lasted_min
), dated AS (
  SELECT
    station_hours.*,
    DATE_TRUNC('DAY', CAST(hour_at AS TIMESTAMP) AT TIME ZONE 'UTC' AT TIME ZONE $time_zone) AS local_date
  FROM station_hours
), sessions AS (
  SELECT
    station_days.place,
    dated.power_class,
    dated.local_date,
    dated.lasted_min,
    SUM(dated.end_count) AS end_count,
    SUM(dated.session_count) AS session_count
  FROM dated
  INNER JOIN station_days
    ON dated.station_key = station_days.station_key
    AND dated.local_date = station_days.local_date
  GROUP BY
    station_days.place,
    dated.power_class,
    dated.local_date,
    dated.lasted_min
), groups AS (
  SELECT
    CAST('total' AS TEXT(16)) AS grouped_by
  UNION ALL
  SELECT
    CAST('place' AS TEXT(16)) AS grouped_by
  UNION ALL
  SELECT
    CAST('power_class' AS TEXT(16)) AS grouped_by
  UNION ALL
  SELECT
    CAST('local_date' AS TEXT(16)) AS grouped_by
), grouped AS (
  SELECT
    groups.grouped_by,
    CASE WHEN groups.grouped_by = 'place' THEN sessions.place END AS place,
    CASE WHEN groups.grouped_by = 'power_class' THEN sessions.power_class END AS power_class,
    CASE WHEN groups.grouped_by = 'local_date' THEN sessions.local_date END AS local_date,
    sessions.lasted_min,
    sessions.end_count,
    sessions.session_count
  FROM sessions
  CROSS JOIN groups
), counted AS (
  SELECT
    grouped_by,
    place,
    power_class,
    local_date,
    lasted_min,
    CAST(SUM(end_count) AS BIGINT) AS end_count,
    CAST(SUM(session_count) AS BIGINT) AS session_count
  FROM grouped
  GROUP BY
    grouped_by,
    place,
    power_class,
    local_date,
    lasted_min
), at_risk AS (
  SELECT
    counted.*,
    SUM(session_count) OVER (
      PARTITION BY grouped_by, place, power_class, local_date
      ORDER BY lasted_min DESC NULLS FIRST
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS risk_count,
    LAG(lasted_min) OVER (PARTITION BY grouped_by, place, power_class, local_date ORDER BY lasted_min) AS previous_min,
    LEAD(lasted_min) OVER (PARTITION BY grouped_by, place, power_class, local_date ORDER BY lasted_min) AS next_min
  FROM counted
), curve AS (
  SELECT
    at_risk.*,
    CASE
      WHEN end_count = risk_count
      THEN 0
      ELSE EXP(
        SUM(
          CASE
            WHEN end_count = risk_count
            THEN 0
            ELSE LN(1 - CAST(end_count AS DOUBLE) / risk_count)
          END
        ) OVER (
          PARTITION BY grouped_by, place, power_class, local_date
          ORDER BY lasted_min
          ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )
      )
    END AS survival
  FROM at_risk
), totals AS (
  SELECT
    grouped_by,
    place,
    power_class,
    local_date,
    SUM(session_count) AS session_count,
    SUM(end_count) AS end_count,
    MAX(lasted_min) AS last_min,
    MIN(survival) AS last_minurvival,
    SUM(
      CASE WHEN previous_min IS NULL THEN LEAST(lasted_min, 1440) ELSE 0 END + survival * (
        LEAST(COALESCE(next_min, lasted_min), 1440) - LEAST(lasted_min, 1440)
      )
    ) AS mean_min
  FROM curve
  GROUP BY
    grouped_by,
    place,
    power_class,
    local_date
)
SELECT
  grouped_by,
  place,
  power_class,
  local_date,
  CAST(session_count AS BIGINT) AS session_count,
  CAST(end_count AS BIGINT) AS end_count,
  CASE
    WHEN end_count >= 5
    AND (
      last_min >= 1440 OR last_minurvival <= 0.05 + 0.000000001
    )
    THEN ROUND(CAST(mean_min AS DOUBLE) * 60, 3)
  END AS dwell_mean_s
FROM totals
ORDER BY
  grouped_by,
  place,
  power_class,
  local_date

-- Generated from sql/dashboard/station_evse_days.sql (09959b11601bbbe2) by python -m charging_assets.warehouse.transpile; do not edit.
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
), hours AS (
  SELECT
    mart_evse_hour.*,
    DATE_TRUNC('DAY', CAST(slot_at AS TIMESTAMP) AT TIME ZONE 'UTC' AT TIME ZONE $time_zone) AS local_date
  FROM mart.mart_evse_hour
  WHERE
    feed = $feed
    AND station_key = $station_key
    AND slot_at >= $window_start
    AND slot_at < $window_end
), ranked AS (
  SELECT
    hours.*,
    ROW_NUMBER() OVER (PARTITION BY evse_key, local_date ORDER BY slot_at ASC) AS hour_rank,
    ROW_NUMBER() OVER (PARTITION BY evse_key, local_date ORDER BY slot_at DESC NULLS FIRST) AS last_rank
  FROM hours
), totals AS (
  SELECT
    evse_key,
    local_date,
    CAST(local_date AS TIMESTAMP) AT TIME ZONE $time_zone AT TIME ZONE 'UTC' AS day_from,
    CAST(CAST(local_date AS TIMESTAMP) + INTERVAL 1 DAY AS TIMESTAMP) AT TIME ZONE $time_zone AT TIME ZONE 'UTC' AS day_to,
    MAX(CASE WHEN hour_rank = 1 THEN place END) AS first_place,
    MAX(CASE WHEN last_rank = 1 THEN place END) AS last_place,
    MIN(first_slot_at) AS first_slot_at,
    MAX(last_slot_at) AS last_slot_at,
    SUM(observed_s) AS observed_s,
    SUM(available_s) AS available_s,
    SUM(charging_s) AS charging_s,
    SUM(reserved_s) AS reserved_s,
    SUM(blocked_s) AS blocked_s,
    SUM(inoperative_s) AS inoperative_s,
    SUM(out_of_order_s) AS out_of_order_s,
    SUM(unknown_s) AS unknown_s,
    SUM(session_exposure_s) AS session_exposure_s
  FROM ranked
  GROUP BY
    evse_key,
    local_date
), polls AS (
  SELECT
    place,
    slot_at,
    CAST(slot_at AS TIMESTAMP) + INTERVAL (cadence_s) SECOND AS stands_until,
    DATE_TRUNC(
      'DAY',
      CAST(DATE_TRUNC('HOUR', slot_at) AS TIMESTAMP) AT TIME ZONE 'UTC' AT TIME ZONE $time_zone
    ) AS local_date
  FROM warehouse.fact_poll
  WHERE
    feed = $feed
    AND outcome IN ('ok', 'not_modified')
    AND slot_at >= $window_start
    AND slot_at < $window_end
), polls_before AS (
  SELECT
    totals.evse_key,
    totals.local_date,
    MAX(polls.stands_until) AS lacked_until
  FROM totals
  INNER JOIN polls
    ON totals.first_place = polls.place
    AND totals.local_date = polls.local_date
    AND totals.first_slot_at > polls.slot_at
  GROUP BY
    totals.evse_key,
    totals.local_date
), polls_after AS (
  SELECT
    totals.evse_key,
    totals.local_date,
    MIN(polls.slot_at) AS lacked_from
  FROM totals
  INNER JOIN polls
    ON totals.last_place = polls.place
    AND totals.local_date = polls.local_date
    AND totals.last_slot_at < polls.slot_at
  GROUP BY
    totals.evse_key,
    totals.local_date
), started_sessions AS (
  SELECT
    hours.evse_key,
    hours.local_date,
    COUNT(*) AS session_count
  FROM warehouse.fact_charging_session AS sessions
  INNER JOIN hours
    ON sessions.evse_key = hours.evse_key
    AND DATE_TRUNC('HOUR', sessions.slot_at) = hours.slot_at
  WHERE
    sessions.feed = $feed
    AND sessions.slot_at >= $window_start
    AND sessions.slot_at < $window_end
    AND NOT sessions.is_start_censored
  GROUP BY
    hours.evse_key,
    hours.local_date
), days AS (
  SELECT
    totals.*,
    station_days.place,
    COALESCE(started_sessions.session_count, 0) AS session_count,
    DATE_DIFF(
      'SECOND',
      CAST(CASE
        WHEN polls_before.lacked_until IS NULL
        THEN totals.day_from
        ELSE LEAST(totals.first_slot_at, polls_before.lacked_until)
      END AS TIMESTAMP),
      CAST(COALESCE(polls_after.lacked_from, totals.day_to) AS TIMESTAMP)
    ) AS window_s
  FROM totals
  INNER JOIN mart.mart_station_day AS station_days
    ON totals.local_date = station_days.local_date
    AND station_days.feed = $feed
    AND station_days.station_key = $station_key
  LEFT JOIN polls_before
    ON totals.evse_key = polls_before.evse_key
    AND totals.local_date = polls_before.local_date
  LEFT JOIN polls_after
    ON totals.evse_key = polls_after.evse_key
    AND totals.local_date = polls_after.local_date
  LEFT JOIN started_sessions
    ON totals.evse_key = started_sessions.evse_key
    AND totals.local_date = started_sessions.local_date
)
SELECT
  days.evse_key,
  days.local_date,
  CAST(1 AS INT) AS evse_count,
  CAST(days.observed_s AS BIGINT) AS observed_s,
  CAST(days.available_s AS BIGINT) AS available_s,
  CAST(days.charging_s AS BIGINT) AS charging_s,
  CAST(days.reserved_s AS BIGINT) AS reserved_s,
  CAST(days.blocked_s AS BIGINT) AS blocked_s,
  CAST(days.inoperative_s AS BIGINT) AS inoperative_s,
  CAST(days.out_of_order_s AS BIGINT) AS out_of_order_s,
  CAST(days.unknown_s AS BIGINT) AS unknown_s,
  CAST(days.window_s AS BIGINT) AS window_s,
  CAST(GREATEST(days.observed_s, days.window_s - COALESCE(windows.future_s, 0)) + COALESCE(windows.missing_s, 0) AS BIGINT) AS period_window_s,
  CAST(days.session_count AS INT) AS session_count,
  CAST(days.session_exposure_s AS BIGINT) AS session_exposure_s
FROM days
LEFT JOIN windows
  ON days.place = windows.place AND days.local_date = windows.local_date
ORDER BY
  days.evse_key,
  days.local_date

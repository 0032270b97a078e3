-- Generated from sql/marts/mart_city_day.sql (9729d9fe46a53ce3) by python -m charging_assets.warehouse.transpile; do not edit.
WITH local_hours AS (
  SELECT
    feed,
    hour_at,
    time_zone,
    DATE_TRUNC('DAY', CAST(hour_at AS TIMESTAMP) AT TIME ZONE 'UTC' AT TIME ZONE time_zone) AS local_date
  FROM (
    SELECT
      feed,
      DATE_TRUNC('HOUR', slot_at) AS hour_at,
      MAX(time_zone) AS time_zone
    FROM warehouse.fact_poll
    WHERE
      slot_at >= $days_from
      AND slot_at < (
        CAST($days_to AS TIMESTAMP) + INTERVAL 26 HOUR
      )
    GROUP BY
      feed,
      DATE_TRUNC('HOUR', slot_at)
  ) AS polled_hours
), days AS (
  SELECT
    feed,
    local_date,
    CAST(local_date AS TIMESTAMP) AT TIME ZONE time_zone AT TIME ZONE 'UTC' AS day_from,
    CAST(CAST(local_date AS TIMESTAMP) + INTERVAL 1 DAY AS TIMESTAMP) AT TIME ZONE time_zone AT TIME ZONE 'UTC' AS day_to
  FROM (
    SELECT
      feed,
      local_date,
      MAX(time_zone) AS time_zone
    FROM local_hours
    GROUP BY
      feed,
      local_date
  ) AS local_days
), good_polls AS (
  SELECT
    polls.feed,
    polls.place,
    polls.slot_at,
    local_hours.local_date,
    LEAST(
      CAST(polls.slot_at AS TIMESTAMP) + INTERVAL (polls.cadence_s) SECOND,
      COALESCE(
        LEAD(polls.slot_at) OVER (PARTITION BY polls.feed, polls.place ORDER BY polls.slot_at),
        CAST('9999-12-31' AS TIMESTAMP)
      )
    ) AS stands_to
  FROM warehouse.fact_poll AS polls
  INNER JOIN local_hours
    ON polls.feed = local_hours.feed
    AND DATE_TRUNC('HOUR', polls.slot_at) = local_hours.hour_at
  WHERE
    polls.outcome IN ('ok', 'not_modified')
    AND polls.slot_at >= $days_from
    AND polls.slot_at < (
      CAST($days_to AS TIMESTAMP) + INTERVAL 26 HOUR
    )
), hours AS (
  SELECT
    evse_hours.slot_at,
    evse_hours.feed,
    COALESCE(station_days.place, evse_hours.place) AS place,
    evse_hours.place AS evse_place,
    evse_hours.evse_key,
    evse_hours.station_key,
    evse_hours.power_class,
    evse_hours.first_slot_at,
    evse_hours.last_slot_at,
    evse_hours.observed_s,
    evse_hours.available_s,
    evse_hours.charging_s,
    evse_hours.reserved_s,
    evse_hours.blocked_s,
    evse_hours.inoperative_s,
    evse_hours.out_of_order_s,
    evse_hours.unknown_s,
    evse_hours.session_exposure_s,
    local_hours.local_date
  FROM mart.mart_evse_hour AS evse_hours
  INNER JOIN local_hours
    ON evse_hours.feed = local_hours.feed AND evse_hours.slot_at = local_hours.hour_at
  LEFT JOIN mart.mart_station_day AS station_days
    ON evse_hours.feed = station_days.feed
    AND evse_hours.station_key = station_days.station_key
    AND local_hours.local_date = station_days.local_date
  WHERE
    evse_hours.slot_at >= $days_from
    AND evse_hours.slot_at < (
      CAST($days_to AS TIMESTAMP) + INTERVAL 26 HOUR
    )
), parts AS (
  SELECT
    feed,
    place,
    power_class,
    station_key,
    evse_key,
    local_date,
    evse_place,
    MIN(first_slot_at) AS first_slot_at,
    MAX(last_slot_at) AS last_slot_at,
    MAX(slot_at) AS last_hour_at,
    SUM(observed_s) AS observed_s,
    SUM(available_s) AS available_s,
    SUM(charging_s) AS charging_s,
    SUM(reserved_s) AS reserved_s,
    SUM(blocked_s) AS blocked_s,
    SUM(inoperative_s) AS inoperative_s,
    SUM(out_of_order_s) AS out_of_order_s,
    SUM(unknown_s) AS unknown_s,
    SUM(session_exposure_s) AS session_exposure_s
  FROM hours
  GROUP BY
    feed,
    place,
    power_class,
    station_key,
    evse_key,
    local_date,
    evse_place
), ordered_parts AS (
  SELECT
    parts.*,
    ROW_NUMBER() OVER (
      PARTITION BY feed, place, power_class, evse_key, local_date
      ORDER BY first_slot_at
    ) AS first_rank,
    ROW_NUMBER() OVER (
      PARTITION BY feed, place, power_class, evse_key, local_date
      ORDER BY last_slot_at DESC NULLS FIRST
    ) AS last_rank
  FROM parts
), late_starts AS (
  SELECT
    starts.feed,
    starts.evse_place,
    starts.local_date,
    starts.first_slot_at,
    MAX(good_polls.stands_to) AS window_from
  FROM (
    SELECT DISTINCT
      feed,
      evse_place,
      local_date,
      first_slot_at
    FROM ordered_parts
    WHERE
      first_rank = 1
  ) AS starts
  INNER JOIN good_polls
    ON starts.feed = good_polls.feed
    AND starts.evse_place = good_polls.place
    AND starts.local_date = good_polls.local_date
    AND starts.first_slot_at > good_polls.slot_at
  GROUP BY
    starts.feed,
    starts.evse_place,
    starts.local_date,
    starts.first_slot_at
), early_ends AS (
  SELECT
    ends.feed,
    ends.evse_place,
    ends.local_date,
    ends.last_slot_at,
    MIN(good_polls.slot_at) AS window_to
  FROM (
    SELECT DISTINCT
      feed,
      evse_place,
      local_date,
      last_slot_at
    FROM ordered_parts
    WHERE
      last_rank = 1
  ) AS ends
  INNER JOIN good_polls
    ON ends.feed = good_polls.feed
    AND ends.evse_place = good_polls.place
    AND ends.local_date = good_polls.local_date
    AND ends.last_slot_at < good_polls.slot_at
  GROUP BY
    ends.feed,
    ends.evse_place,
    ends.local_date,
    ends.last_slot_at
), windows AS (
  SELECT
    ordered_parts.*,
    days.day_from,
    days.day_to,
    CASE
      WHEN ordered_parts.first_rank = 1
      THEN DATE_DIFF('SECOND', CAST(days.day_from AS TIMESTAMP), CAST(days.day_to AS TIMESTAMP))
      ELSE 0
    END AS day_s,
    CASE
      WHEN ordered_parts.first_rank = 1 AND NOT late_starts.window_from IS NULL
      THEN DATE_DIFF(
        'SECOND',
        CAST(DATE_TRUNC('HOUR', CAST(days.day_from AS TIMESTAMP) + INTERVAL 3599 SECOND) AS TIMESTAMP),
        CAST(LEAST(late_starts.window_from, ordered_parts.first_slot_at) AS TIMESTAMP)
      )
      ELSE 0
    END AS late_s,
    CASE
      WHEN ordered_parts.last_rank = 1 AND NOT early_ends.window_to IS NULL
      THEN DATE_DIFF(
        'SECOND',
        CAST(early_ends.window_to AS TIMESTAMP),
        CAST(DATE_TRUNC('HOUR', CAST(days.day_to AS TIMESTAMP) + INTERVAL 3599 SECOND) AS TIMESTAMP)
      )
      ELSE 0
    END AS early_s
  FROM ordered_parts
  INNER JOIN days
    ON ordered_parts.feed = days.feed AND ordered_parts.local_date = days.local_date
  LEFT JOIN late_starts
    ON ordered_parts.feed = late_starts.feed
    AND ordered_parts.evse_place = late_starts.evse_place
    AND ordered_parts.local_date = late_starts.local_date
    AND ordered_parts.first_slot_at = late_starts.first_slot_at
  LEFT JOIN early_ends
    ON ordered_parts.feed = early_ends.feed
    AND ordered_parts.evse_place = early_ends.evse_place
    AND ordered_parts.local_date = early_ends.local_date
    AND ordered_parts.last_slot_at = early_ends.last_slot_at
), totals AS (
  SELECT
    feed,
    place,
    power_class,
    local_date,
    MAX(day_from) AS day_from,
    MAX(day_to) AS ends_at,
    COUNT(DISTINCT station_key) AS station_count,
    SUM(CASE WHEN first_rank = 1 THEN 1 ELSE 0 END) AS evse_count,
    SUM(day_s - late_s - early_s) AS window_s,
    SUM(observed_s) AS observed_s,
    SUM(available_s) AS available_s,
    SUM(charging_s) AS charging_s,
    SUM(reserved_s) AS reserved_s,
    SUM(blocked_s) AS blocked_s,
    SUM(inoperative_s) AS inoperative_s,
    SUM(out_of_order_s) AS out_of_order_s,
    SUM(unknown_s) AS unknown_s,
    SUM(session_exposure_s) AS session_exposure_s
  FROM windows
  GROUP BY
    feed,
    place,
    power_class,
    local_date
), started_sessions AS (
  SELECT
    hours.feed,
    hours.place,
    hours.power_class,
    hours.local_date,
    COUNT(*) AS session_count
  FROM warehouse.fact_charging_session AS sessions
  INNER JOIN hours
    ON sessions.feed = hours.feed
    AND sessions.evse_key = hours.evse_key
    AND DATE_TRUNC('HOUR', sessions.slot_at) = hours.slot_at
  WHERE
    NOT sessions.is_start_censored
    AND sessions.slot_at >= $days_from
    AND sessions.slot_at < (
      CAST($days_to AS TIMESTAMP) + INTERVAL 26 HOUR
    )
  GROUP BY
    hours.feed,
    hours.place,
    hours.power_class,
    hours.local_date
), ended_sessions AS (
  SELECT
    hours.feed,
    hours.place,
    hours.power_class,
    hours.local_date,
    COUNT(*) AS ended_session_count,
    SUM(sessions.duration_s) AS dwell_s
  FROM warehouse.fact_charging_session AS sessions
  INNER JOIN hours
    ON sessions.feed = hours.feed
    AND sessions.evse_key = hours.evse_key
    AND DATE_TRUNC('HOUR', sessions.last_slot_at) = hours.slot_at
  WHERE
    NOT sessions.duration_s IS NULL
    AND sessions.slot_at >= (
      CAST($days_from AS TIMESTAMP) + INTERVAL (-8) DAY
    )
    AND sessions.slot_at < (
      CAST($days_to AS TIMESTAMP) + INTERVAL 26 HOUR
    )
  GROUP BY
    hours.feed,
    hours.place,
    hours.power_class,
    hours.local_date
), metrics AS (
  SELECT
    totals.*,
    available_s + charging_s + reserved_s + blocked_s AS operable_s,
    charging_s + reserved_s + blocked_s AS occupied_s,
    observed_s - inoperative_s - out_of_order_s AS working_s,
    CASE WHEN observed_s * 5 >= window_s * 4 THEN CAST(1 AS DOUBLE) END AS counted,
    CASE WHEN (
      observed_s - unknown_s
    ) * 5 >= observed_s THEN CAST(1 AS DOUBLE) END AS coverage_factor
  FROM totals
)
SELECT
  metrics.day_from AS slot_at,
  metrics.local_date,
  metrics.ends_at,
  metrics.feed,
  metrics.place,
  metrics.power_class,
  CAST(metrics.station_count AS INT) AS station_count,
  CAST(metrics.evse_count AS INT) AS evse_count,
  CAST(metrics.observed_s AS BIGINT) AS observed_s,
  CAST(metrics.available_s AS BIGINT) AS available_s,
  CAST(metrics.charging_s AS BIGINT) AS charging_s,
  CAST(metrics.reserved_s AS BIGINT) AS reserved_s,
  CAST(metrics.blocked_s AS BIGINT) AS blocked_s,
  CAST(metrics.inoperative_s AS BIGINT) AS inoperative_s,
  CAST(metrics.out_of_order_s AS BIGINT) AS out_of_order_s,
  CAST(metrics.unknown_s AS BIGINT) AS unknown_s,
  CAST(metrics.window_s AS BIGINT) AS window_s,
  LEAST(1.0, CAST(metrics.observed_s AS DOUBLE) / NULLIF(metrics.window_s, 0)) AS coverage,
  metrics.counted * (
    CAST(metrics.charging_s AS DOUBLE) / NULLIF(metrics.operable_s, 0)
  ) AS utilisation,
  metrics.counted * (
    CAST(metrics.occupied_s AS DOUBLE) / NULLIF(metrics.operable_s, 0)
  ) AS occupancy,
  metrics.counted * (
    CAST(metrics.operable_s AS DOUBLE) / NULLIF(metrics.observed_s, 0)
  ) AS availability,
  metrics.counted * metrics.coverage_factor * (
    CAST(metrics.working_s AS DOUBLE) / NULLIF(metrics.observed_s, 0)
  ) AS reliability,
  CAST(COALESCE(started_sessions.session_count, 0) AS INT) AS session_count,
  CAST(metrics.session_exposure_s AS BIGINT) AS session_exposure_s,
  CAST(COALESCE(ended_sessions.ended_session_count, 0) AS INT) AS ended_session_count,
  CAST(ROUND(COALESCE(ended_sessions.dwell_s, 0)) AS BIGINT) AS dwell_s
FROM metrics
LEFT JOIN started_sessions
  ON metrics.feed = started_sessions.feed
  AND metrics.place = started_sessions.place
  AND metrics.power_class = started_sessions.power_class
  AND metrics.local_date = started_sessions.local_date
LEFT JOIN ended_sessions
  ON metrics.feed = ended_sessions.feed
  AND metrics.place = ended_sessions.place
  AND metrics.power_class = ended_sessions.power_class
  AND metrics.local_date = ended_sessions.local_date
WHERE
  metrics.day_from >= $days_from AND metrics.day_from < $days_to

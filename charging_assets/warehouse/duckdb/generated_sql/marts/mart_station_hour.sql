-- Generated from sql/marts/mart_station_hour.sql (118fa90c750301d7) by python -m charging_assets.warehouse.transpile; do not edit.
WITH poll_durations AS (
  SELECT
    feed,
    place,
    slot_at,
    DATE_TRUNC('HOUR', slot_at) AS hour_at,
    LEAST(
      cadence_s,
      DATE_DIFF(
        'SECOND',
        CAST(slot_at AS TIMESTAMP),
        CAST(COALESCE(
          LEAD(slot_at) OVER (PARTITION BY feed, place, DATE_TRUNC('HOUR', slot_at) ORDER BY slot_at),
          CAST(MIN(slot_at) OVER (PARTITION BY feed, place, DATE_TRUNC('HOUR', slot_at)) AS TIMESTAMP) + INTERVAL 1 HOUR
        ) AS TIMESTAMP)
      )
    ) AS valid_s
  FROM warehouse.fact_poll
  WHERE
    outcome IN ('ok', 'not_modified')
    AND slot_at >= $window_start
    AND slot_at < $window_end
), polls AS (
  SELECT
    poll_durations.*,
    CAST(SUM(valid_s) OVER (
      PARTITION BY feed, place, hour_at
      ORDER BY slot_at
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS BIGINT) AS valid_until_s
  FROM poll_durations
), runs AS (
  SELECT
    feed,
    place,
    evse_key,
    first_slot_at,
    last_slot_at,
    DATE_TRUNC('HOUR', slot_at) AS hour_at,
    CASE status WHEN 'REMOVED' THEN 2 WHEN 'PLANNED' THEN 1 ELSE 0 END AS dormancy,
    CASE
      WHEN status IN ('AVAILABLE', 'CHARGING', 'RESERVED', 'BLOCKED')
      THEN 1
      ELSE 0
    END AS is_operable,
    CASE WHEN status IN ('CHARGING', 'RESERVED', 'BLOCKED') THEN 1 ELSE 0 END AS is_occupied,
    CASE
      WHEN status IN ('AVAILABLE', 'CHARGING', 'RESERVED', 'BLOCKED', 'INOPERATIVE', 'OUTOFORDER')
      THEN 1
      ELSE 0
    END AS is_known
  FROM warehouse.fact_status
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
), station_runs AS (
  SELECT
    hours.feed AS station_feed,
    hours.station_key,
    runs.*,
    CASE WHEN runs.dormancy > 0 OR runs.is_known = 1 THEN 0 ELSE 1 END AS is_unknown
  FROM runs
  INNER JOIN mart.mart_evse_hour AS hours
    ON runs.evse_key = hours.evse_key AND runs.hour_at = hours.slot_at
  WHERE
    NOT hours.station_key IS NULL
    AND hours.slot_at >= $window_start
    AND hours.slot_at < $window_end
), stations_in_several_places AS (
  SELECT
    station_feed,
    station_key,
    hour_at
  FROM station_runs
  GROUP BY
    station_feed,
    station_key,
    hour_at
  HAVING
    MIN(place) <> MAX(place) OR MIN(feed) <> MAX(feed)
), run_bounds AS (
  SELECT
    station_runs.feed,
    station_runs.station_key,
    station_runs.hour_at,
    station_runs.is_operable,
    station_runs.is_occupied,
    station_runs.is_unknown,
    firsts.valid_until_s - firsts.valid_s AS begins_at_s,
    lasts.valid_until_s AS ends_at_s
  FROM station_runs
  INNER JOIN polls AS firsts
    ON station_runs.feed = firsts.feed
    AND station_runs.place = firsts.place
    AND station_runs.first_slot_at = firsts.slot_at
  INNER JOIN polls AS lasts
    ON station_runs.feed = lasts.feed
    AND station_runs.place = lasts.place
    AND station_runs.last_slot_at = lasts.slot_at
  LEFT JOIN stations_in_several_places AS shared
    ON station_runs.station_feed = shared.station_feed
    AND station_runs.station_key = shared.station_key
    AND station_runs.hour_at = shared.hour_at
  WHERE
    shared.station_key IS NULL
), run_changes AS (
  SELECT
    feed,
    station_key,
    hour_at,
    begins_at_s AS at_s,
    is_operable AS operable_change,
    is_occupied AS occupied_change,
    is_unknown AS unknown_change
  FROM run_bounds
  UNION ALL
  SELECT
    feed,
    station_key,
    hour_at,
    ends_at_s AS at_s,
    -is_operable AS operable_change,
    -is_occupied AS occupied_change,
    -is_unknown AS unknown_change
  FROM run_bounds
), changes AS (
  SELECT
    feed,
    station_key,
    hour_at,
    at_s,
    SUM(operable_change) AS operable_change,
    SUM(occupied_change) AS occupied_change,
    SUM(unknown_change) AS unknown_change
  FROM run_changes
  GROUP BY
    feed,
    station_key,
    hour_at,
    at_s
), segments AS (
  SELECT
    feed,
    station_key,
    hour_at,
    SUM(operable_change) OVER (
      PARTITION BY feed, station_key, hour_at
      ORDER BY at_s
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS operable_count,
    SUM(occupied_change) OVER (
      PARTITION BY feed, station_key, hour_at
      ORDER BY at_s
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS occupied_count,
    SUM(unknown_change) OVER (
      PARTITION BY feed, station_key, hour_at
      ORDER BY at_s
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS unknown_count,
    LEAD(at_s) OVER (PARTITION BY feed, station_key, hour_at ORDER BY at_s) - at_s AS valid_s
  FROM changes
), polls_in_several_places AS (
  SELECT
    station_runs.station_feed,
    station_runs.station_key,
    station_runs.feed,
    station_runs.is_operable,
    station_runs.is_occupied,
    station_runs.is_unknown,
    polls.slot_at,
    polls.hour_at,
    polls.valid_s,
    ROW_NUMBER() OVER (
      PARTITION BY station_runs.station_feed, station_runs.station_key, station_runs.evse_key, polls.slot_at
      ORDER BY station_runs.dormancy, station_runs.place, station_runs.feed
    ) AS place_rank
  FROM station_runs
  INNER JOIN stations_in_several_places AS shared
    ON station_runs.station_feed = shared.station_feed
    AND station_runs.station_key = shared.station_key
    AND station_runs.hour_at = shared.hour_at
  INNER JOIN polls
    ON station_runs.feed = polls.feed
    AND station_runs.place = polls.place
    AND station_runs.hour_at = polls.hour_at
    AND station_runs.first_slot_at <= polls.slot_at
    AND station_runs.last_slot_at >= polls.slot_at
), by_slot AS (
  SELECT
    feed,
    station_key,
    hour_at,
    slot_at,
    MAX(valid_s) AS valid_s,
    LEAD(slot_at) OVER (PARTITION BY feed, station_key, hour_at ORDER BY slot_at) AS next_slot_at,
    MIN(slot_at) OVER (PARTITION BY feed, station_key, hour_at) AS first_slot_at,
    SUM(is_operable) AS operable_count,
    SUM(is_occupied) AS occupied_count,
    SUM(is_unknown) AS unknown_count
  FROM polls_in_several_places
  WHERE
    place_rank = 1 AND feed = station_feed
  GROUP BY
    feed,
    station_key,
    hour_at,
    slot_at
), exposures AS (
  SELECT
    feed,
    station_key,
    hour_at,
    operable_count,
    occupied_count,
    unknown_count,
    valid_s
  FROM segments
  UNION ALL
  SELECT
    feed,
    station_key,
    hour_at,
    operable_count,
    occupied_count,
    unknown_count,
    LEAST(
      valid_s,
      DATE_DIFF(
        'SECOND',
        CAST(slot_at AS TIMESTAMP),
        CAST(COALESCE(next_slot_at, CAST(first_slot_at AS TIMESTAMP) + INTERVAL 1 HOUR) AS TIMESTAMP)
      )
    ) AS valid_s
  FROM by_slot
), saturation AS (
  SELECT
    feed,
    station_key,
    hour_at,
    SUM(CASE WHEN operable_count > 0 THEN valid_s ELSE 0 END) AS station_operable_s,
    SUM(
      CASE
        WHEN operable_count > 0 AND operable_count = occupied_count AND unknown_count = 0
        THEN valid_s
        ELSE 0
      END
    ) AS saturated_s,
    SUM(
      CASE
        WHEN operable_count > 0 AND operable_count = occupied_count
        THEN valid_s
        ELSE 0
      END
    ) AS saturated_or_unknown_s
  FROM exposures
  GROUP BY
    feed,
    station_key,
    hour_at
), totals AS (
  SELECT
    feed,
    station_key,
    slot_at,
    MIN(place) AS place,
    COUNT(*) AS evse_count,
    SUM(observed_s) AS observed_s,
    SUM(available_s) AS available_s,
    SUM(charging_s) AS charging_s,
    SUM(reserved_s) AS reserved_s,
    SUM(blocked_s) AS blocked_s,
    SUM(inoperative_s) AS inoperative_s,
    SUM(out_of_order_s) AS out_of_order_s,
    SUM(unknown_s) AS unknown_s,
    SUM(window_s) AS window_s,
    SUM(session_exposure_s) AS session_exposure_s
  FROM mart.mart_evse_hour
  WHERE
    slot_at >= $window_start AND slot_at < $window_end AND NOT station_key IS NULL
  GROUP BY
    feed,
    station_key,
    slot_at
), local_hours AS (
  SELECT
    feed,
    DATE_TRUNC('HOUR', slot_at) AS hour_at,
    MAX(time_zone) AS time_zone
  FROM warehouse.fact_poll
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
  GROUP BY
    feed,
    DATE_TRUNC('HOUR', slot_at)
)
SELECT
  totals.slot_at,
  DATE_TRUNC(
    'DAY',
    CAST(totals.slot_at AS TIMESTAMP) AT TIME ZONE 'UTC' AT TIME ZONE local_hours.time_zone
  ) AS local_date,
  totals.feed,
  totals.place,
  totals.station_key,
  CAST(totals.evse_count AS INT) AS evse_count,
  CAST(totals.observed_s AS BIGINT) AS observed_s,
  CAST(totals.available_s AS BIGINT) AS available_s,
  CAST(totals.charging_s AS BIGINT) AS charging_s,
  CAST(totals.reserved_s AS BIGINT) AS reserved_s,
  CAST(totals.blocked_s AS BIGINT) AS blocked_s,
  CAST(totals.inoperative_s AS BIGINT) AS inoperative_s,
  CAST(totals.out_of_order_s AS BIGINT) AS out_of_order_s,
  CAST(totals.unknown_s AS BIGINT) AS unknown_s,
  CAST(COALESCE(saturation.station_operable_s, 0) AS BIGINT) AS station_operable_s,
  CAST(COALESCE(saturation.saturated_s, 0) AS BIGINT) AS saturated_s,
  CAST(COALESCE(saturation.saturated_or_unknown_s, 0) AS BIGINT) AS saturated_or_unknown_s,
  CAST(totals.window_s AS BIGINT) AS window_s,
  CAST(totals.session_exposure_s AS BIGINT) AS session_exposure_s
FROM totals
INNER JOIN local_hours
  ON totals.feed = local_hours.feed AND totals.slot_at = local_hours.hour_at
LEFT JOIN saturation
  ON totals.feed = saturation.feed
  AND totals.station_key = saturation.station_key
  AND totals.slot_at = saturation.hour_at

-- Generated from sql/marts/mart_station_hour.sql (72947596fb955347) by python -m charging_assets.warehouse.transpile; do not edit.
WITH polls AS (
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
), runs AS (
  SELECT
    feed,
    place,
    evse_key,
    status,
    CASE status WHEN 'REMOVED' THEN 2 WHEN 'PLANNED' THEN 1 ELSE 0 END AS dormancy,
    first_slot_at,
    last_slot_at,
    DATE_TRUNC('HOUR', slot_at) AS hour_at
  FROM warehouse.fact_status
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
), evse_polls AS (
  SELECT
    runs.feed,
    runs.place,
    runs.evse_key,
    runs.status,
    runs.dormancy,
    polls.slot_at,
    polls.hour_at,
    polls.valid_s,
    ROW_NUMBER() OVER (
      PARTITION BY runs.evse_key, polls.slot_at
      ORDER BY runs.dormancy, runs.place, runs.feed
    ) AS place_rank
  FROM runs
  INNER JOIN polls
    ON runs.feed = polls.feed
    AND runs.place = polls.place
    AND runs.hour_at = polls.hour_at
    AND runs.first_slot_at <= polls.slot_at
    AND runs.last_slot_at >= polls.slot_at
), by_slot AS (
  SELECT
    evse_polls.feed,
    hours.station_key,
    evse_polls.hour_at,
    evse_polls.slot_at,
    MAX(evse_polls.valid_s) AS valid_s,
    LEAD(evse_polls.slot_at) OVER (
      PARTITION BY evse_polls.feed, hours.station_key, evse_polls.hour_at
      ORDER BY evse_polls.slot_at
    ) AS next_slot_at,
    MIN(evse_polls.slot_at) OVER (PARTITION BY evse_polls.feed, hours.station_key, evse_polls.hour_at) AS first_slot_at,
    SUM(
      CASE
        WHEN evse_polls.status IN ('AVAILABLE', 'CHARGING', 'RESERVED', 'BLOCKED')
        THEN 1
        ELSE 0
      END
    ) AS operable_count,
    SUM(
      CASE WHEN evse_polls.status IN ('CHARGING', 'RESERVED', 'BLOCKED') THEN 1 ELSE 0 END
    ) AS occupied_count,
    SUM(
      CASE
        WHEN evse_polls.dormancy > 0
        OR evse_polls.status IN ('AVAILABLE', 'CHARGING', 'RESERVED', 'BLOCKED', 'INOPERATIVE', 'OUTOFORDER')
        THEN 0
        ELSE 1
      END
    ) AS unknown_count
  FROM evse_polls
  INNER JOIN mart.mart_evse_hour AS hours
    ON evse_polls.evse_key = hours.evse_key
    AND evse_polls.feed = hours.feed
    AND evse_polls.hour_at = hours.slot_at
  WHERE
    evse_polls.place_rank = 1
    AND NOT hours.station_key IS NULL
    AND hours.slot_at >= $window_start
    AND hours.slot_at < $window_end
  GROUP BY
    evse_polls.feed,
    hours.station_key,
    evse_polls.hour_at,
    evse_polls.slot_at
), exposures AS (
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

-- Generated from sql/marts/mart_evse_hour.sql (ade9a780b911ac95) by python -m charging_assets.warehouse.transpile; do not edit.
WITH polls_with_next AS (
  SELECT
    feed,
    place,
    slot_at,
    cadence_s,
    DATE_TRUNC('HOUR', slot_at) AS hour_at,
    COALESCE(
      LEAD(slot_at) OVER (PARTITION BY feed, place, DATE_TRUNC('HOUR', slot_at) ORDER BY slot_at),
      CAST(MIN(slot_at) OVER (PARTITION BY feed, place, DATE_TRUNC('HOUR', slot_at)) AS TIMESTAMP) + INTERVAL 1 HOUR
    ) AS next_poll_at
  FROM warehouse.fact_poll
  WHERE
    outcome IN ('ok', 'not_modified')
    AND slot_at >= $window_start
    AND slot_at < $window_end
), poll_durations AS (
  SELECT
    polls_with_next.*,
    LEAST(
      cadence_s,
      DATE_DIFF('SECOND', CAST(slot_at AS TIMESTAMP), CAST(next_poll_at AS TIMESTAMP))
    ) AS valid_s,
    CASE
      WHEN DATE_DIFF('SECOND', CAST(slot_at AS TIMESTAMP), CAST(next_poll_at AS TIMESTAMP)) * 2 <= cadence_s * 5
      THEN DATE_DIFF('SECOND', CAST(slot_at AS TIMESTAMP), CAST(next_poll_at AS TIMESTAMP))
      ELSE 0
    END AS linked_s
  FROM polls_with_next
), polls AS (
  SELECT
    poll_durations.*,
    CAST(SUM(valid_s) OVER (
      PARTITION BY feed, place, hour_at
      ORDER BY slot_at
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) - valid_s AS BIGINT) AS valid_before_s,
    CAST(SUM(linked_s) OVER (
      PARTITION BY feed, place, hour_at
      ORDER BY slot_at
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) - linked_s AS BIGINT) AS linked_before_s
  FROM poll_durations
), runs AS (
  SELECT
    feed,
    place,
    evse_key,
    status,
    CASE status WHEN 'REMOVED' THEN 2 WHEN 'PLANNED' THEN 1 ELSE 0 END AS dormancy,
    CASE WHEN COALESCE(status, 'UNKNOWN') = 'UNKNOWN' THEN 1 ELSE 0 END AS is_unknown,
    first_slot_at,
    last_slot_at,
    poll_count,
    DATE_TRUNC('HOUR', slot_at) AS hour_at
  FROM warehouse.fact_status
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
), evses_in_several_places AS (
  SELECT
    evse_key,
    hour_at
  FROM runs
  GROUP BY
    evse_key,
    hour_at
  HAVING
    MIN(place) <> MAX(place) OR MIN(feed) <> MAX(feed)
), polls_in_several_places AS (
  SELECT
    runs.feed,
    runs.place,
    runs.evse_key,
    runs.status,
    runs.is_unknown,
    polls.slot_at,
    polls.hour_at,
    polls.cadence_s,
    polls.next_poll_at,
    polls.valid_s,
    LEAD(polls.slot_at) OVER (
      PARTITION BY runs.evse_key, polls.hour_at
      ORDER BY polls.slot_at ASC, runs.dormancy DESC NULLS FIRST, runs.place DESC NULLS FIRST, runs.feed DESC NULLS FIRST
    ) AS next_slot_at
  FROM runs
  INNER JOIN evses_in_several_places AS shared
    ON runs.evse_key = shared.evse_key AND runs.hour_at = shared.hour_at
  INNER JOIN polls
    ON runs.feed = polls.feed
    AND runs.place = polls.place
    AND runs.hour_at = polls.hour_at
    AND runs.first_slot_at <= polls.slot_at
    AND runs.last_slot_at >= polls.slot_at
), evse_runs AS (
  SELECT
    runs.feed,
    runs.place,
    runs.evse_key,
    runs.status,
    runs.is_unknown,
    runs.hour_at,
    runs.first_slot_at AS slot_at,
    runs.last_slot_at,
    runs.poll_count,
    lasts.cadence_s,
    lasts.next_poll_at,
    lasts.valid_s AS last_valid_s,
    lasts.valid_before_s - firsts.valid_before_s AS valid_before_last_s,
    lasts.linked_before_s - firsts.linked_before_s AS linked_before_last_s
  FROM runs
  INNER JOIN polls AS firsts
    ON runs.feed = firsts.feed
    AND runs.place = firsts.place
    AND runs.first_slot_at = firsts.slot_at
  INNER JOIN polls AS lasts
    ON runs.feed = lasts.feed
    AND runs.place = lasts.place
    AND runs.last_slot_at = lasts.slot_at
  LEFT JOIN evses_in_several_places AS shared
    ON runs.evse_key = shared.evse_key AND runs.hour_at = shared.hour_at
  WHERE
    shared.evse_key IS NULL
  UNION ALL
  SELECT
    feed,
    place,
    evse_key,
    status,
    is_unknown,
    hour_at,
    slot_at,
    slot_at AS last_slot_at,
    1 AS poll_count,
    cadence_s,
    next_poll_at,
    valid_s AS last_valid_s,
    0 AS valid_before_last_s,
    0 AS linked_before_last_s
  FROM polls_in_several_places
  WHERE
    next_slot_at IS NULL OR next_slot_at > slot_at
), runs_with_next AS (
  SELECT
    evse_runs.*,
    LEAD(slot_at) OVER (PARTITION BY evse_key, hour_at ORDER BY slot_at) AS next_slot_at,
    MIN(slot_at) OVER (
      PARTITION BY evse_key, hour_at
      ORDER BY slot_at
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS first_slot_at
  FROM evse_runs
), last_polls AS (
  SELECT
    runs_with_next.*,
    DATE_DIFF(
      'SECOND',
      CAST(last_slot_at AS TIMESTAMP),
      CAST(COALESCE(next_slot_at, CAST(first_slot_at AS TIMESTAMP) + INTERVAL 1 HOUR) AS TIMESTAMP)
    ) AS until_next_s
  FROM runs_with_next
), exposures AS (
  SELECT
    last_polls.*,
    valid_before_last_s + LEAST(last_valid_s, until_next_s) AS valid_s,
    CASE
      WHEN until_next_s * 2 <= cadence_s * 5
      AND DATE_DIFF('SECOND', CAST(last_slot_at AS TIMESTAMP), CAST(next_poll_at AS TIMESTAMP)) >= until_next_s
      THEN until_next_s
      ELSE 0
    END AS linked_to_next_s
  FROM last_polls
), totals AS (
  SELECT
    feed,
    evse_key,
    hour_at,
    MIN(place) AS place,
    MIN(slot_at) AS first_slot_at,
    MAX(last_slot_at) AS last_slot_at,
    SUM(poll_count) AS poll_count,
    SUM(is_unknown * poll_count) AS unknown_poll_count,
    SUM(linked_before_last_s + linked_to_next_s) AS linked_s,
    SUM(valid_s) AS observed_s,
    SUM(CASE WHEN status = 'AVAILABLE' THEN valid_s ELSE 0 END) AS available_s,
    SUM(CASE WHEN status = 'CHARGING' THEN valid_s ELSE 0 END) AS charging_s,
    SUM(CASE WHEN status = 'RESERVED' THEN valid_s ELSE 0 END) AS reserved_s,
    SUM(CASE WHEN status = 'BLOCKED' THEN valid_s ELSE 0 END) AS blocked_s,
    SUM(CASE WHEN status = 'INOPERATIVE' THEN valid_s ELSE 0 END) AS inoperative_s,
    SUM(CASE WHEN status = 'OUTOFORDER' THEN valid_s ELSE 0 END) AS out_of_order_s,
    SUM(
      CASE
        WHEN status IN ('AVAILABLE', 'CHARGING', 'RESERVED', 'BLOCKED', 'INOPERATIVE', 'OUTOFORDER')
        THEN 0
        ELSE valid_s
      END
    ) AS unknown_s
  FROM exposures
  GROUP BY
    feed,
    evse_key,
    hour_at
), unknown_hours AS (
  SELECT
    evse_key,
    hour_at
  FROM totals
  GROUP BY
    evse_key,
    hour_at
  HAVING
    SUM(unknown_poll_count) >= LEAST(2, SUM(poll_count))
), with_neighbours AS (
  SELECT
    exposures.feed,
    exposures.evse_key,
    exposures.hour_at,
    exposures.slot_at,
    exposures.first_slot_at,
    exposures.poll_count,
    exposures.linked_before_last_s,
    exposures.linked_to_next_s,
    exposures.is_unknown,
    COALESCE(
      LAG(exposures.is_unknown) OVER (PARTITION BY exposures.evse_key, exposures.hour_at ORDER BY exposures.slot_at),
      MAX(CASE WHEN exposures.next_slot_at IS NULL THEN exposures.is_unknown END) OVER (PARTITION BY exposures.evse_key, exposures.hour_at)
    ) AS is_unknown_before,
    COALESCE(
      LEAD(exposures.is_unknown) OVER (PARTITION BY exposures.evse_key, exposures.hour_at ORDER BY exposures.slot_at),
      MAX(
        CASE WHEN exposures.slot_at = exposures.first_slot_at THEN exposures.is_unknown END
      ) OVER (PARTITION BY exposures.evse_key, exposures.hour_at)
    ) AS is_unknown_after
  FROM exposures
  INNER JOIN unknown_hours
    ON exposures.evse_key = unknown_hours.evse_key
    AND exposures.hour_at = unknown_hours.hour_at
), in_unknown_runs AS (
  SELECT
    with_neighbours.*,
    is_unknown * GREATEST(is_unknown_before, is_unknown_after, CASE WHEN poll_count > 1 THEN 1 ELSE 0 END) AS is_in_run
  FROM with_neighbours
), before_unknown_runs AS (
  SELECT
    in_unknown_runs.*,
    COALESCE(
      LEAD(is_in_run) OVER (PARTITION BY evse_key, hour_at ORDER BY slot_at),
      MAX(CASE WHEN slot_at = first_slot_at THEN is_in_run END) OVER (PARTITION BY evse_key, hour_at)
    ) AS is_in_run_after
  FROM in_unknown_runs
), unobservable_starts AS (
  SELECT
    feed,
    evse_key,
    hour_at,
    SUM(
      linked_before_last_s * is_in_run + linked_to_next_s * GREATEST(is_in_run, is_in_run_after)
    ) AS unobservable_s
  FROM before_unknown_runs
  GROUP BY
    feed,
    evse_key,
    hour_at
), connectors AS (
  SELECT
    states.evse_key,
    states.power_type,
    states.max_power_kw,
    states.ampere,
    states.voltage,
    observations.last_slot_at,
    DATE_TRUNC('HOUR', observations.slot_at) AS hour_at
  FROM warehouse.entity_observation AS observations
  INNER JOIN warehouse.connector_attributes AS states
    ON observations.entity_key = states.connector_key
    AND observations.attribute_hash = states.attribute_hash
  WHERE
    observations.entity_type = 'connector'
    AND observations.slot_at >= $window_start
    AND observations.slot_at < $window_end
), power AS (
  SELECT
    totals.evse_key,
    totals.hour_at,
    MAX(connectors.max_power_kw) AS max_power_kw,
    MAX(
      CASE
        WHEN connectors.power_type = 'DC'
        AND COALESCE(connectors.max_power_kw * 1000, connectors.ampere * connectors.voltage) >= 100000
        THEN 3
        WHEN connectors.power_type = 'DC'
        THEN 2
        WHEN NOT connectors.power_type IS NULL
        THEN 1
        ELSE 0
      END
    ) AS power_rank
  FROM totals
  INNER JOIN connectors
    ON totals.evse_key = connectors.evse_key
    AND totals.hour_at = connectors.hour_at
    AND totals.last_slot_at <= connectors.last_slot_at
  GROUP BY
    totals.evse_key,
    totals.hour_at
), evse_details AS (
  SELECT
    totals.*,
    3600 AS window_s,
    totals.linked_s - COALESCE(unobservable_starts.unobservable_s, 0) AS session_exposure_s,
    evses.station_key,
    power.max_power_kw,
    CASE power.power_rank
      WHEN 3
      THEN 'hpc'
      WHEN 2
      THEN 'dc'
      WHEN 1
      THEN 'ac'
      ELSE 'unknown'
    END AS power_class
  FROM totals
  LEFT JOIN warehouse.dim_evse AS evses
    ON totals.evse_key = evses.evse_key
    AND totals.last_slot_at >= evses.valid_from
    AND totals.last_slot_at < COALESCE(evses.valid_to, CAST('9999-12-31' AS TIMESTAMP))
  LEFT JOIN unobservable_starts
    ON totals.feed = unobservable_starts.feed
    AND totals.evse_key = unobservable_starts.evse_key
    AND totals.hour_at = unobservable_starts.hour_at
  LEFT JOIN power
    ON totals.evse_key = power.evse_key AND totals.hour_at = power.hour_at
), metrics AS (
  SELECT
    evse_details.*,
    available_s + charging_s + reserved_s + blocked_s AS operable_s,
    charging_s + reserved_s + blocked_s AS occupied_s,
    observed_s - inoperative_s - out_of_order_s AS working_s,
    CASE WHEN observed_s * 5 >= window_s * 4 THEN CAST(1 AS DOUBLE) END AS counted,
    CASE WHEN (
      observed_s - unknown_s
    ) * 5 >= observed_s THEN CAST(1 AS DOUBLE) END AS coverage_factor
  FROM evse_details
)
SELECT
  hour_at AS slot_at,
  feed,
  place,
  evse_key,
  station_key,
  CAST(power_class AS TEXT(16)) AS power_class,
  max_power_kw,
  CAST(poll_count AS INT) AS poll_count,
  first_slot_at,
  last_slot_at,
  CAST(observed_s AS BIGINT) AS observed_s,
  CAST(available_s AS BIGINT) AS available_s,
  CAST(charging_s AS BIGINT) AS charging_s,
  CAST(reserved_s AS BIGINT) AS reserved_s,
  CAST(blocked_s AS BIGINT) AS blocked_s,
  CAST(inoperative_s AS BIGINT) AS inoperative_s,
  CAST(out_of_order_s AS BIGINT) AS out_of_order_s,
  CAST(unknown_s AS BIGINT) AS unknown_s,
  CAST(window_s AS BIGINT) AS window_s,
  LEAST(1.0, CAST(observed_s AS DOUBLE) / NULLIF(window_s, 0)) AS coverage,
  counted * (
    CAST(charging_s AS DOUBLE) / NULLIF(operable_s, 0)
  ) AS utilisation,
  counted * (
    CAST(occupied_s AS DOUBLE) / NULLIF(operable_s, 0)
  ) AS occupancy,
  counted * (
    CAST(operable_s AS DOUBLE) / NULLIF(observed_s, 0)
  ) AS availability,
  counted * coverage_factor * (
    CAST(working_s AS DOUBLE) / NULLIF(observed_s, 0)
  ) AS reliability,
  CAST(session_exposure_s AS BIGINT) AS session_exposure_s
FROM metrics

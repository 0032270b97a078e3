-- Generated from sql/facts/fact_charging_session.sql (b46a56ea7f561861) by python -m charging_assets.warehouse.transpile; do not edit.
WITH good_polls AS (
  SELECT
    feed,
    place,
    slot_at,
    cadence_s,
    elapsed_ms,
    COALESCE(
      requested_at,
      CASE
        WHEN ABS(DATE_DIFF('SECOND', CAST(slot_at AS TIMESTAMP), CAST(observed_at AS TIMESTAMP))) <= 900
        THEN observed_at
      END,
      slot_at
    ) AS polled_at
  FROM warehouse.fact_poll
  WHERE
    outcome IN ('ok', 'not_modified') AND slot_at >= $runs_from AND slot_at < $runs_to
), poll_durations AS (
  SELECT
    feed,
    place,
    slot_at,
    cadence_s,
    polled_at,
    CAST(polled_at AS TIMESTAMP) + INTERVAL (COALESCE(elapsed_ms, 0)) MILLISECOND AS answered_at,
    ROW_NUMBER() OVER (PARTITION BY feed, place ORDER BY slot_at) AS ordinal,
    LEAST(
      cadence_s,
      COALESCE(
        DATE_DIFF(
          'SECOND',
          CAST(slot_at AS TIMESTAMP),
          CAST(LEAD(slot_at) OVER (PARTITION BY feed, place ORDER BY slot_at) AS TIMESTAMP)
        ),
        cadence_s
      )
    ) AS valid_s
  FROM good_polls
), polls AS (
  SELECT
    poll_durations.*,
    SUM(valid_s) OVER (
      PARTITION BY feed, place
      ORDER BY slot_at
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS total_valid_s
  FROM poll_durations
), status_runs AS (
  SELECT
    feed,
    place,
    evse_key,
    evse_uid,
    slot_at,
    last_slot_at,
    poll_count,
    CASE
      WHEN status IN ('CHARGING', 'BLOCKED')
      THEN status
      WHEN COALESCE(status, 'UNKNOWN') = 'UNKNOWN'
      THEN 'UNKNOWN'
      ELSE 'OTHER'
    END AS state,
    MIN(
      CAST(CASE status WHEN 'REMOVED' THEN 2 WHEN 'PLANNED' THEN 1 ELSE 0 END AS TEXT(1)) || ' ' || place || ' ' || feed
    ) OVER (PARTITION BY evse_key, DATE_TRUNC('HOUR', slot_at)) AS first_choice
  FROM warehouse.fact_status
  WHERE
    evse_key IN (
      SELECT
        affected_evse.entity_key
      FROM affected_evse
    )
    AND slot_at >= $runs_from
    AND slot_at < $runs_to
), runs_with_polls AS (
  SELECT
    status_runs.feed,
    status_runs.place,
    status_runs.evse_key,
    status_runs.evse_uid,
    status_runs.slot_at,
    status_runs.last_slot_at,
    status_runs.poll_count,
    status_runs.state,
    firsts.cadence_s,
    firsts.ordinal AS first_ordinal,
    firsts.answered_at,
    lasts.ordinal AS last_ordinal,
    lasts.polled_at,
    lasts.total_valid_s - firsts.total_valid_s + firsts.valid_s AS valid_s
  FROM status_runs
  INNER JOIN polls AS firsts
    ON status_runs.feed = firsts.feed
    AND status_runs.place = firsts.place
    AND status_runs.slot_at = firsts.slot_at
  INNER JOIN polls AS lasts
    ON status_runs.feed = lasts.feed
    AND status_runs.place = lasts.place
    AND status_runs.last_slot_at = lasts.slot_at
  WHERE
    status_runs.place = SPLIT_PART(status_runs.first_choice, ' ', 2)
    AND status_runs.feed = SPLIT_PART(status_runs.first_choice, ' ', 3)
), runs_with_neighbours AS (
  SELECT
    runs_with_polls.*,
    LAG(state) OVER (PARTITION BY evse_key ORDER BY slot_at) AS state_before,
    LEAD(state) OVER (PARTITION BY evse_key ORDER BY slot_at) AS state_after,
    LAG(place) OVER (PARTITION BY evse_key ORDER BY slot_at) AS place_before,
    LAG(feed) OVER (PARTITION BY evse_key ORDER BY slot_at) AS feed_before,
    LAG(last_ordinal) OVER (PARTITION BY evse_key ORDER BY slot_at) AS ordinal_before,
    LAG(last_slot_at) OVER (PARTITION BY evse_key ORDER BY slot_at) AS slot_before
  FROM runs_with_polls
), linked_runs AS (
  SELECT
    runs_with_neighbours.*,
    CASE
      WHEN place_before = place
      AND feed_before = feed
      AND ordinal_before + 1 = first_ordinal
      AND DATE_DIFF('SECOND', CAST(slot_before AS TIMESTAMP), CAST(slot_at AS TIMESTAMP)) * 2 <= cadence_s * 5
      THEN 1
      ELSE 0
    END AS is_linked
  FROM runs_with_neighbours
), runs_with_blips AS (
  SELECT
    linked_runs.*,
    CASE
      WHEN state = 'UNKNOWN'
      AND poll_count = 1
      AND is_linked = 1
      AND state_before <> 'UNKNOWN'
      AND state_after <> 'UNKNOWN'
      AND LEAD(is_linked) OVER (PARTITION BY evse_key ORDER BY slot_at) = 1
      THEN 1
      ELSE 0
    END AS is_blip
  FROM linked_runs
), runs_after_blips AS (
  SELECT
    runs_with_blips.*,
    LAG(is_blip) OVER (PARTITION BY evse_key ORDER BY slot_at) AS blip_before
  FROM runs_with_blips
), runs_without_blips AS (
  SELECT
    runs_after_blips.*,
    LAG(state) OVER (PARTITION BY evse_key ORDER BY slot_at) AS previous_state
  FROM runs_after_blips
  WHERE
    is_blip = 0
), segment_starts AS (
  SELECT
    runs_without_blips.*,
    CASE WHEN is_linked = 1 AND previous_state = state THEN 0 ELSE 1 END AS is_first
  FROM runs_without_blips
), numbered_segments AS (
  SELECT
    segment_starts.*,
    SUM(is_first) OVER (
      PARTITION BY evse_key
      ORDER BY slot_at
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS segment
  FROM segment_starts
), segment_runs AS (
  SELECT
    numbered_segments.*,
    MIN(slot_at) OVER (PARTITION BY evse_key, segment) AS segment_from,
    MAX(slot_at) OVER (PARTITION BY evse_key, segment) AS segment_to
  FROM numbered_segments
), connectors AS (
  SELECT
    states.evse_key,
    states.max_power_kw,
    DATE_TRUNC('HOUR', observations.slot_at) AS hour_at,
    CAST(CEIL(
      CAST(states.ampere * states.voltage * CASE
        WHEN states.power_type IN ('AC_1_PHASE', 'DC')
        THEN 1
        WHEN states.power_type LIKE 'AC_2_PHASE%'
        THEN 2
        WHEN states.voltage >= 300
        THEN 1.732051
        ELSE 3
      END AS DOUBLE) / 100
    ) AS DOUBLE) / 10 AS electric_kw
  FROM warehouse.entity_observation AS observations
  INNER JOIN warehouse.connector_attributes AS states
    ON observations.entity_key = states.connector_key
    AND observations.attribute_hash = states.attribute_hash
  WHERE
    observations.entity_type = 'connector'
    AND observations.slot_at >= $starts_from
    AND observations.slot_at < $runs_to
    AND states.evse_key IN (
      SELECT
        affected_evse.entity_key
      FROM affected_evse
    )
), connector_limits AS (
  SELECT
    evse_key,
    hour_at,
    max_power_kw,
    CASE
      WHEN electric_kw >= 0.5 AND electric_kw > COALESCE(max_power_kw, 0)
      THEN LEAST(electric_kw, 1500)
      ELSE max_power_kw
    END AS power_limit_kw
  FROM connectors
), evse_power AS (
  SELECT
    evse_key,
    hour_at,
    MAX(max_power_kw) AS max_power_kw,
    MAX(power_limit_kw) AS power_limit_kw,
    MAX(CASE WHEN power_limit_kw IS NULL THEN 1 ELSE 0 END) AS is_power_unknown
  FROM connector_limits
  GROUP BY
    evse_key,
    hour_at
), segments AS (
  SELECT
    segment_runs.feed,
    segment_runs.place,
    segment_runs.evse_key,
    segment_runs.evse_uid,
    segment_runs.state,
    segment_runs.segment,
    MIN(segment_runs.slot_at) AS slot_at,
    MAX(segment_runs.last_slot_at) AS last_slot_at,
    MIN(segment_runs.answered_at) AS answered_at,
    MAX(segment_runs.polled_at) AS polled_at,
    MAX(CASE WHEN segment_runs.is_first = 1 THEN segment_runs.is_linked ELSE 0 END) AS is_linked,
    SUM(segment_runs.poll_count) AS poll_count,
    SUM(
      CASE
        WHEN segment_runs.is_first = 0
        THEN COALESCE(segment_runs.blip_before, 0)
        ELSE 0
      END
    ) AS bridged_poll_count,
    SUM(
      CASE
        WHEN segment_runs.slot_at < (
          CAST(segment_runs.segment_from AS TIMESTAMP) + INTERVAL 1 DAY
        )
        THEN segment_runs.valid_s
        ELSE 0
      END
    ) AS valid_s,
    MAX(
      CASE
        WHEN segment_runs.segment_to >= (
          CAST(segment_runs.segment_from AS TIMESTAMP) + INTERVAL 7 DAY
        )
        THEN 1
        ELSE 0
      END
    ) AS is_stuck,
    MAX(
      CASE
        WHEN evse_power.hour_at <= segment_runs.segment_from
        THEN evse_power.max_power_kw
      END
    ) AS max_power_kw,
    CASE
      WHEN MAX(evse_power.is_power_unknown) = 0
      THEN MAX(evse_power.power_limit_kw)
    END AS power_limit_kw
  FROM segment_runs
  LEFT JOIN evse_power
    ON segment_runs.state = 'CHARGING'
    AND segment_runs.evse_key = evse_power.evse_key
    AND DATE_TRUNC('HOUR', segment_runs.slot_at) = evse_power.hour_at
  WHERE
    segment_runs.state <> 'CHARGING'
    OR segment_runs.slot_at < (
      CAST(segment_runs.segment_from AS TIMESTAMP) + INTERVAL 7 DAY
    )
  GROUP BY
    segment_runs.feed,
    segment_runs.place,
    segment_runs.evse_key,
    segment_runs.evse_uid,
    segment_runs.state,
    segment_runs.segment
), segments_with_neighbours AS (
  SELECT
    segments.*,
    LAG(state) OVER (PARTITION BY evse_key ORDER BY segment) AS state_before,
    LAG(polled_at) OVER (PARTITION BY evse_key ORDER BY segment) AS polled_before,
    LEAD(state) OVER (PARTITION BY evse_key ORDER BY segment) AS state_after,
    LEAD(is_linked) OVER (PARTITION BY evse_key ORDER BY segment) AS is_linked_after,
    LEAD(answered_at) OVER (PARTITION BY evse_key ORDER BY segment) AS answered_after,
    LEAD(valid_s) OVER (PARTITION BY evse_key ORDER BY segment) AS valid_after_s
  FROM segments
), session_bounds AS (
  SELECT
    segments_with_neighbours.*,
    CASE
      WHEN is_linked = 1 AND state_before IN ('BLOCKED', 'OTHER')
      THEN polled_before
    END AS started_after,
    CASE
      WHEN is_stuck = 0 AND is_linked_after = 1 AND state_after IN ('BLOCKED', 'OTHER')
      THEN answered_after
    END AS ended_before
  FROM segments_with_neighbours
  WHERE
    state = 'CHARGING' AND slot_at >= $starts_from AND slot_at < $starts_to
), sessions AS (
  SELECT
    session_bounds.*,
    CAST(started_after AS TIMESTAMP) + INTERVAL (CAST(FLOOR(
      CAST(DATE_DIFF('MILLISECOND', CAST(started_after AS TIMESTAMP), CAST(answered_at AS TIMESTAMP)) AS DOUBLE) / 2
    ) AS INT)) MILLISECOND AS started_at,
    CAST(polled_at AS TIMESTAMP) + INTERVAL (CAST(FLOOR(
      CAST(DATE_DIFF('MILLISECOND', CAST(polled_at AS TIMESTAMP), CAST(ended_before AS TIMESTAMP)) AS DOUBLE) / 2
    ) AS INT)) MILLISECOND AS ended_at,
    GREATEST(
      0,
      CAST(DATE_DIFF('MILLISECOND', CAST(answered_at AS TIMESTAMP), CAST(polled_at AS TIMESTAMP)) AS DOUBLE) / 1000
    ) AS duration_min_s,
    CAST(DATE_DIFF('MILLISECOND', CAST(started_after AS TIMESTAMP), CAST(ended_before AS TIMESTAMP)) AS DOUBLE) / 1000 AS duration_max_s
  FROM session_bounds
)
SELECT
  slot_at,
  last_slot_at,
  feed,
  place,
  evse_key,
  evse_uid,
  started_after,
  answered_at AS started_before,
  started_at,
  polled_at AS ended_after,
  ended_before,
  ended_at,
  started_after IS NULL AS is_start_censored,
  ended_before IS NULL AS is_end_censored,
  is_stuck = 1 AS is_stuck,
  CAST(poll_count AS INT) AS poll_count,
  CAST(bridged_poll_count AS INT) AS bridged_poll_count,
  duration_min_s,
  CAST(DATE_DIFF('MILLISECOND', CAST(started_at AS TIMESTAMP), CAST(ended_at AS TIMESTAMP)) AS DOUBLE) / 1000 AS duration_s,
  duration_max_s,
  CASE
    WHEN NOT ended_before IS NULL
    THEN CAST(CASE WHEN state_after = 'BLOCKED' THEN LEAST(valid_after_s, 86400) ELSE 0 END AS DOUBLE)
  END AS idle_after_s,
  max_power_kw,
  CAST(0 AS DOUBLE) AS energy_min_kwh,
  CAST(power_limit_kw * duration_max_s AS DOUBLE) / 3600 AS energy_max_kwh,
  CAST(4 AS SMALLINT) AS rule_version
FROM sessions

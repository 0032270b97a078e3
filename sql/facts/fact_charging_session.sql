-- Grain: one row per feed, EVSE and maximal run of CHARGING, across hours.
-- Two runs are linked if there is no good poll of their place between them and they are at most
-- 2.5 cadences apart. A single poll of unknown status between linked runs (a blip) is ignored.
-- A session is stuck (is_stuck) if one of its runs begins 7 days or more after its first slot. The
-- session ends before that run; the rest is not a session, since a session begins only where no
-- CHARGING is linked before.
-- An EVSE that several places publish is taken in each hour from the first place by name, and of
-- several feeds of one network from the first feed by name. A place where the EVSE is not REMOVED
-- or PLANNED all hour takes precedence; PLANNED takes precedence over REMOVED.
-- A poll is valid for its cadence, or until the place's next good poll. Idle time is the valid time
-- of BLOCKED polls, in runs that begin within a day of the first.
-- Polls without a request time are imported. Their time is the source's own timestamp if it is
-- within 15 minutes of the slot, else the slot.
-- Energy is at least 0, since back ends report CHARGING for full cars too, and at most the power
-- limit times the longest duration. The power limit of a connector is the greater of its published
-- power and the power from current and voltage, rounded up to a tenth of a kW as ratings are
-- (16 A x 230 V is 3.7), at most 1,500 kW. One phase: A x V; three phases: A x V x 1.732 (the
-- square root of 3), or A x V x 3 if V is the voltage of one phase; an unknown power type counts as
-- three phases. The limit of a session is the greatest of the EVSE's connectors published in an
-- hour with a run of the session, and unknown if one of these is unknown. Its published power is
-- the greatest in the hour of its first slot.
-- Scope: the EVSEs in affected_evse, sessions whose first slot is in [:starts_from, :starts_to).
-- Polls and runs are read in [:runs_from, :runs_to), as far as such a session and its links, bounds
-- and idle time can reach.
WITH good_polls AS (
    SELECT
        feed,
        place,
        slot_at,
        cadence_s,
        elapsed_ms,
        COALESCE(
            requested_at,
            CASE WHEN ABS(DATEDIFF('second', slot_at, observed_at)) <= 900 THEN observed_at END,
            slot_at
        ) AS polled_at
    FROM warehouse.fact_poll
    WHERE
        outcome IN ('ok', 'not_modified')
        AND slot_at >= :runs_from
        AND slot_at < :runs_to
),

poll_durations AS (
    SELECT
        feed,
        place,
        slot_at,
        cadence_s,
        polled_at,
        DATEADD('millisecond', COALESCE(elapsed_ms, 0), polled_at) AS answered_at,
        ROW_NUMBER() OVER (PARTITION BY feed, place ORDER BY slot_at) AS ordinal,
        LEAST(
            cadence_s,
            COALESCE(
                DATEDIFF(
                    'second',
                    slot_at,
                    LEAD(slot_at) OVER (PARTITION BY feed, place ORDER BY slot_at)
                ),
                cadence_s
            )
        ) AS valid_s
    FROM good_polls
),

polls AS (
    SELECT
        poll_durations.*,
        SUM(valid_s) OVER (
            PARTITION BY feed, place ORDER BY slot_at ROWS UNBOUNDED PRECEDING
        ) AS total_valid_s
    FROM poll_durations
),

status_runs AS (
    SELECT
        feed,
        place,
        evse_key,
        evse_uid,
        slot_at,
        last_slot_at,
        poll_count,
        CASE
            WHEN status IN ('CHARGING', 'BLOCKED') THEN status
            WHEN COALESCE(status, 'UNKNOWN') = 'UNKNOWN' THEN 'UNKNOWN'
            ELSE 'OTHER'
        END AS state,
        MIN(
            CAST(CASE status WHEN 'REMOVED' THEN 2 WHEN 'PLANNED' THEN 1 ELSE 0 END AS VARCHAR(1))
            || ' ' || place || ' ' || feed
        ) OVER (PARTITION BY evse_key, DATE_TRUNC('hour', slot_at)) AS first_choice
    FROM warehouse.fact_status
    WHERE
        evse_key IN (SELECT affected_evse.entity_key FROM affected_evse)
        AND slot_at >= :runs_from
        AND slot_at < :runs_to
),

runs_with_polls AS (
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
        ON
            status_runs.feed = firsts.feed
            AND status_runs.place = firsts.place
            AND status_runs.slot_at = firsts.slot_at
    INNER JOIN polls AS lasts
        ON
            status_runs.feed = lasts.feed
            AND status_runs.place = lasts.place
            AND status_runs.last_slot_at = lasts.slot_at
    WHERE
        status_runs.place = SPLIT_PART(status_runs.first_choice, ' ', 2)
        AND status_runs.feed = SPLIT_PART(status_runs.first_choice, ' ', 3)
),

runs_with_neighbours AS (
    SELECT
        runs_with_polls.*,
        LAG(state) OVER (PARTITION BY evse_key ORDER BY slot_at) AS state_before,
        LEAD(state) OVER (PARTITION BY evse_key ORDER BY slot_at) AS state_after,
        LAG(place) OVER (PARTITION BY evse_key ORDER BY slot_at) AS place_before,
        LAG(feed) OVER (PARTITION BY evse_key ORDER BY slot_at) AS feed_before,
        LAG(last_ordinal) OVER (PARTITION BY evse_key ORDER BY slot_at) AS ordinal_before,
        LAG(last_slot_at) OVER (PARTITION BY evse_key ORDER BY slot_at) AS slot_before
    FROM runs_with_polls
),

linked_runs AS (
    SELECT
        runs_with_neighbours.*,
        CASE
            WHEN
                place_before = place
                AND feed_before = feed
                AND ordinal_before + 1 = first_ordinal
                AND DATEDIFF('second', slot_before, slot_at) * 2 <= cadence_s * 5
                THEN 1
            ELSE 0
        END AS is_linked
    FROM runs_with_neighbours
),

runs_with_blips AS (
    SELECT
        linked_runs.*,
        CASE
            WHEN
                state = 'UNKNOWN'
                AND poll_count = 1
                AND is_linked = 1
                AND state_before <> 'UNKNOWN'
                AND state_after <> 'UNKNOWN'
                AND LEAD(is_linked) OVER (PARTITION BY evse_key ORDER BY slot_at) = 1
                THEN 1
            ELSE 0
        END AS is_blip
    FROM linked_runs
),

runs_after_blips AS (
    SELECT
        runs_with_blips.*,
        LAG(is_blip) OVER (PARTITION BY evse_key ORDER BY slot_at) AS blip_before
    FROM runs_with_blips
),

runs_without_blips AS (
    SELECT
        runs_after_blips.*,
        LAG(state) OVER (PARTITION BY evse_key ORDER BY slot_at) AS previous_state
    FROM runs_after_blips
    WHERE is_blip = 0
),

segment_starts AS (
    SELECT
        runs_without_blips.*,
        CASE WHEN is_linked = 1 AND previous_state = state THEN 0 ELSE 1 END AS is_first
    FROM runs_without_blips
),

numbered_segments AS (
    SELECT
        segment_starts.*,
        SUM(is_first) OVER (
            PARTITION BY evse_key ORDER BY slot_at ROWS UNBOUNDED PRECEDING
        ) AS segment
    FROM segment_starts
),

segment_runs AS (
    SELECT
        numbered_segments.*,
        MIN(slot_at) OVER (PARTITION BY evse_key, segment) AS segment_from,
        MAX(slot_at) OVER (PARTITION BY evse_key, segment) AS segment_to
    FROM numbered_segments
),

-- The connectors published in an hour, not the versions of dim_connector: a version closes a day
-- after a connector disappears, and sessions are not derived again then.
connectors AS (
    SELECT
        states.evse_key,
        states.max_power_kw,
        DATE_TRUNC('hour', observations.slot_at) AS hour_at,
        CAST(
            CEIL(
                CAST(
                    states.ampere * states.voltage
                    * CASE
                        WHEN states.power_type IN ('AC_1_PHASE', 'DC') THEN 1
                        WHEN states.power_type LIKE 'AC_2_PHASE%' THEN 2
                        WHEN states.voltage >= 300 THEN 1.732051
                        ELSE 3
                    END AS DOUBLE PRECISION
                ) / 100
            ) AS DOUBLE PRECISION
        ) / 10 AS electric_kw
    FROM warehouse.entity_observation AS observations
    INNER JOIN warehouse.connector_attributes AS states
        ON
            observations.entity_key = states.connector_key
            AND observations.attribute_hash = states.attribute_hash
    WHERE
        observations.entity_type = 'connector'
        AND observations.slot_at >= :starts_from
        AND observations.slot_at < :runs_to
        AND states.evse_key IN (SELECT affected_evse.entity_key FROM affected_evse)
),

connector_limits AS (
    SELECT
        evse_key,
        hour_at,
        max_power_kw,
        -- Below 0.5 kW, current and voltage are wrong.
        CASE
            WHEN electric_kw >= 0.5 AND electric_kw > COALESCE(max_power_kw, 0)
                THEN LEAST(electric_kw, 1500)
            ELSE max_power_kw
        END AS power_limit_kw
    FROM connectors
),

evse_power AS (
    SELECT
        evse_key,
        hour_at,
        MAX(max_power_kw) AS max_power_kw,
        MAX(power_limit_kw) AS power_limit_kw,
        MAX(CASE WHEN power_limit_kw IS NULL THEN 1 ELSE 0 END) AS is_power_unknown
    FROM connector_limits
    GROUP BY evse_key, hour_at
),

segments AS (
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
        MAX(
            CASE WHEN segment_runs.is_first = 1 THEN segment_runs.is_linked ELSE 0 END
        ) AS is_linked,
        SUM(segment_runs.poll_count) AS poll_count,
        SUM(
            CASE
                WHEN segment_runs.is_first = 0 THEN COALESCE(segment_runs.blip_before, 0)
                ELSE 0
            END
        ) AS bridged_poll_count,
        SUM(
            CASE
                WHEN segment_runs.slot_at < DATEADD('day', 1, segment_runs.segment_from)
                    THEN segment_runs.valid_s
                ELSE 0
            END
        ) AS valid_s,
        MAX(
            CASE
                WHEN segment_runs.segment_to >= DATEADD('day', 7, segment_runs.segment_from) THEN 1
                ELSE 0
            END
        ) AS is_stuck,
        MAX(
            CASE
                WHEN evse_power.hour_at <= segment_runs.segment_from THEN evse_power.max_power_kw
            END
        ) AS max_power_kw,
        CASE
            WHEN MAX(evse_power.is_power_unknown) = 0 THEN MAX(evse_power.power_limit_kw)
        END AS power_limit_kw
    FROM segment_runs
    LEFT JOIN evse_power
        ON
            segment_runs.state = 'CHARGING'
            AND segment_runs.evse_key = evse_power.evse_key
            AND DATE_TRUNC('hour', segment_runs.slot_at) = evse_power.hour_at
    -- Only CHARGING is cut after 7 days.
    WHERE
        segment_runs.state <> 'CHARGING'
        OR segment_runs.slot_at < DATEADD('day', 7, segment_runs.segment_from)
    GROUP BY
        segment_runs.feed,
        segment_runs.place,
        segment_runs.evse_key,
        segment_runs.evse_uid,
        segment_runs.state,
        segment_runs.segment
),

segments_with_neighbours AS (
    SELECT
        segments.*,
        LAG(state) OVER (PARTITION BY evse_key ORDER BY segment) AS state_before,
        LAG(polled_at) OVER (PARTITION BY evse_key ORDER BY segment) AS polled_before,
        LEAD(state) OVER (PARTITION BY evse_key ORDER BY segment) AS state_after,
        LEAD(is_linked) OVER (PARTITION BY evse_key ORDER BY segment) AS is_linked_after,
        LEAD(answered_at) OVER (PARTITION BY evse_key ORDER BY segment) AS answered_after,
        LEAD(valid_s) OVER (PARTITION BY evse_key ORDER BY segment) AS valid_after_s
    FROM segments
),

session_bounds AS (
    SELECT
        segments_with_neighbours.*,
        CASE
            WHEN is_linked = 1 AND state_before IN ('BLOCKED', 'OTHER') THEN polled_before
        END AS started_after,
        CASE
            WHEN
                is_stuck = 0
                AND is_linked_after = 1
                AND state_after IN ('BLOCKED', 'OTHER')
                THEN answered_after
        END AS ended_before
    FROM segments_with_neighbours
    WHERE
        state = 'CHARGING'
        AND slot_at >= :starts_from
        AND slot_at < :starts_to
),

sessions AS (
    SELECT
        session_bounds.*,
        -- Halves are cut: engines round a half in a cast to INTEGER differently.
        DATEADD(
            'millisecond',
            CAST(
                FLOOR(
                    CAST(
                        DATEDIFF('millisecond', started_after, answered_at) AS DOUBLE PRECISION
                    ) / 2
                ) AS INTEGER
            ),
            started_after
        ) AS started_at,
        DATEADD(
            'millisecond',
            CAST(
                FLOOR(
                    CAST(
                        DATEDIFF('millisecond', polled_at, ended_before) AS DOUBLE PRECISION
                    ) / 2
                ) AS INTEGER
            ),
            polled_at
        ) AS ended_at,
        GREATEST(
            0, CAST(DATEDIFF('millisecond', answered_at, polled_at) AS DOUBLE PRECISION) / 1000
        ) AS duration_min_s,
        CAST(
            DATEDIFF('millisecond', started_after, ended_before) AS DOUBLE PRECISION
        ) / 1000 AS duration_max_s
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
    CAST(poll_count AS INTEGER) AS poll_count,
    CAST(bridged_poll_count AS INTEGER) AS bridged_poll_count,
    duration_min_s,
    CAST(DATEDIFF('millisecond', started_at, ended_at) AS DOUBLE PRECISION) / 1000 AS duration_s,
    duration_max_s,
    CASE
        WHEN ended_before IS NOT NULL
            THEN CAST(
                CASE WHEN state_after = 'BLOCKED' THEN LEAST(valid_after_s, 86400) ELSE 0 END
                AS DOUBLE PRECISION
            )
    END AS idle_after_s,
    max_power_kw,
    CAST(0 AS DOUBLE PRECISION) AS energy_min_kwh,
    CAST(power_limit_kw * duration_max_s AS DOUBLE PRECISION) / 3600 AS energy_max_kwh,
    CAST(4 AS SMALLINT) AS rule_version
FROM sessions;

-- Grain: one row per feed, EVSE and maximal run of CHARGING, across hours.
-- Two runs are linked where no good poll of their place lies between them and the time between is
-- at most 2.5 cadences. A single poll of unknown status between linked runs is looked through.
-- A session is stuck (is_stuck) where one of its runs begins 7 days or more after its first slot.
-- It is cut before the first of these; what follows is no session, since a session begins only
-- where no CHARGING is linked before.
-- An EVSE that several places publish is taken, hour by hour, from the first of them by name (of
-- feeds of one network, from the first by name too); a place where it is REMOVED all hour gives way
-- to one where it is PLANNED, and both to any other.
-- A poll stands for its cadence, or until the place's next good poll. Idle time is what the polls
-- of BLOCKED stand for, in runs that begin within a day of the first.
-- Polls without the time of their request are imported; the source's own time is theirs where it
-- is within a quarter of an hour of the slot, else the slot.
-- Energy is at least 0, for a full car goes on saying CHARGING, and at most the power bound for the
-- longest duration. The power bound of a connector is the greater of its published power and what
-- current and voltage give, rounded up to a tenth of a kW as ratings are (16 A x 230 V is 3.7) and
-- at most 1,500 kW: one phase gives A x V; three give A x V x 1.732, or A x V x 3 where V is that
-- of one phase. An unknown power type counts as three phases. The bound of a session is the
-- greatest of the EVSE's connectors that were published in an hour with a run of the session, and
-- unknown if that of one is; its published power is the greatest in the hour of its first slot.
-- Scope: the EVSEs in touched_evse, sessions whose first slot is in [:starts_from, :starts_to).
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
        ) AS asked_at
    FROM warehouse.fact_poll
    WHERE
        outcome = 'ok'
        AND slot_at >= DATEADD('hour', -6, CAST(:starts_from AS TIMESTAMP))
        AND slot_at < DATEADD('hour', 210, CAST(:starts_to AS TIMESTAMP))
),

standing AS (
    SELECT
        feed,
        place,
        slot_at,
        cadence_s,
        asked_at,
        DATEADD('millisecond', COALESCE(elapsed_ms, 0), asked_at) AS answered_at,
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
        ) AS stands_s
    FROM good_polls
),

polls AS (
    SELECT
        standing.*,
        SUM(stands_s) OVER (
            PARTITION BY feed, place ORDER BY slot_at ROWS UNBOUNDED PRECEDING
        ) AS stood_s
    FROM standing
),

told AS (
    SELECT
        feed,
        place,
        evse_key,
        evse_uid,
        slot_at,
        last_slot_at,
        poll_count,
        CASE
            WHEN status = 'CHARGING' THEN 1
            WHEN status = 'BLOCKED' THEN 2
            WHEN COALESCE(status, 'UNKNOWN') = 'UNKNOWN' THEN 0
            ELSE 3
        END AS state,
        MIN(
            CAST(CASE status WHEN 'REMOVED' THEN 2 WHEN 'PLANNED' THEN 1 ELSE 0 END AS VARCHAR(1))
            || ' ' || place || ' ' || feed
        ) OVER (PARTITION BY evse_key, DATE_TRUNC('hour', slot_at)) AS first_choice
    FROM warehouse.fact_status
    WHERE
        evse_key IN (SELECT touched_evse.entity_key FROM touched_evse)
        AND slot_at >= DATEADD('hour', -6, CAST(:starts_from AS TIMESTAMP))
        AND slot_at < DATEADD('hour', 210, CAST(:starts_to AS TIMESTAMP))
),

timed AS (
    SELECT
        told.feed,
        told.place,
        told.evse_key,
        told.evse_uid,
        told.slot_at,
        told.last_slot_at,
        told.poll_count,
        told.state,
        firsts.cadence_s,
        firsts.ordinal AS first_ordinal,
        firsts.answered_at,
        lasts.ordinal AS last_ordinal,
        lasts.asked_at,
        lasts.stood_s - firsts.stood_s + firsts.stands_s AS stands_s
    FROM told
    INNER JOIN polls AS firsts
        ON
            told.feed = firsts.feed
            AND told.place = firsts.place
            AND told.slot_at = firsts.slot_at
    INNER JOIN polls AS lasts
        ON
            told.feed = lasts.feed
            AND told.place = lasts.place
            AND told.last_slot_at = lasts.slot_at
    WHERE
        told.place = SPLIT_PART(told.first_choice, ' ', 2)
        AND told.feed = SPLIT_PART(told.first_choice, ' ', 3)
),

neighbours AS (
    SELECT
        timed.*,
        LAG(state) OVER (PARTITION BY evse_key ORDER BY slot_at) AS state_before,
        LEAD(state) OVER (PARTITION BY evse_key ORDER BY slot_at) AS state_after,
        LAG(place) OVER (PARTITION BY evse_key ORDER BY slot_at) AS place_before,
        LAG(feed) OVER (PARTITION BY evse_key ORDER BY slot_at) AS feed_before,
        LAG(last_ordinal) OVER (PARTITION BY evse_key ORDER BY slot_at) AS ordinal_before,
        LAG(last_slot_at) OVER (PARTITION BY evse_key ORDER BY slot_at) AS slot_before
    FROM timed
),

linked AS (
    SELECT
        neighbours.*,
        CASE
            WHEN
                place_before = place
                AND feed_before = feed
                AND ordinal_before + 1 = first_ordinal
                AND DATEDIFF('second', slot_before, slot_at) * 2 <= cadence_s * 5
                THEN 1
            ELSE 0
        END AS is_linked
    FROM neighbours
),

blips AS (
    SELECT
        linked.*,
        CASE
            WHEN
                state = 0
                AND poll_count = 1
                AND is_linked = 1
                AND state_before <> 0
                AND state_after <> 0
                AND LEAD(is_linked) OVER (PARTITION BY evse_key ORDER BY slot_at) = 1
                THEN 1
            ELSE 0
        END AS is_blip
    FROM linked
),

followed AS (
    SELECT
        blips.*,
        LAG(is_blip) OVER (PARTITION BY evse_key ORDER BY slot_at) AS blip_before
    FROM blips
),

known AS (
    SELECT
        followed.*,
        LAG(state) OVER (PARTITION BY evse_key ORDER BY slot_at) AS known_before
    FROM followed
    WHERE is_blip = 0
),

segment_starts AS (
    SELECT
        known.*,
        CASE WHEN is_linked = 1 AND known_before = state THEN 0 ELSE 1 END AS is_first
    FROM known
),

numbered AS (
    SELECT
        segment_starts.*,
        SUM(is_first) OVER (
            PARTITION BY evse_key ORDER BY slot_at ROWS UNBOUNDED PRECEDING
        ) AS segment
    FROM segment_starts
),

bounded AS (
    SELECT
        numbered.*,
        MIN(slot_at) OVER (PARTITION BY evse_key, segment) AS segment_from,
        MAX(slot_at) OVER (PARTITION BY evse_key, segment) AS segment_to
    FROM numbered
),

-- The connectors that were published in an hour, not the versions of dim_connector: whether one
-- that is missing has gone is known a day later, when sessions are not derived again.
connectors AS (
    SELECT
        states.evse_key,
        states.max_power_kw,
        DATE_TRUNC('hour', sightings.slot_at) AS hour_at,
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
    FROM warehouse.entity_sighting AS sightings
    INNER JOIN warehouse.connector_attributes AS states
        ON
            sightings.entity_key = states.connector_key
            AND sightings.attribute_hash = states.attribute_hash
    WHERE
        sightings.entity_type = 'connector'
        AND sightings.slot_at >= :starts_from
        AND sightings.slot_at < DATEADD('hour', 210, CAST(:starts_to AS TIMESTAMP))
        AND states.evse_key IN (SELECT touched_evse.entity_key FROM touched_evse)
),

connector_bounds AS (
    SELECT
        evse_key,
        hour_at,
        max_power_kw,
        -- Below 0.5 kW current and voltage are wrong, not a bound.
        CASE
            WHEN electric_kw >= 0.5 AND electric_kw > COALESCE(max_power_kw, 0)
                THEN LEAST(electric_kw, 1500)
            ELSE max_power_kw
        END AS power_bound_kw
    FROM connectors
),

evse_power AS (
    SELECT
        evse_key,
        hour_at,
        MAX(max_power_kw) AS max_power_kw,
        MAX(power_bound_kw) AS power_bound_kw,
        MAX(CASE WHEN power_bound_kw IS NULL THEN 1 ELSE 0 END) AS is_power_unknown
    FROM connector_bounds
    GROUP BY evse_key, hour_at
),

segments AS (
    SELECT
        bounded.feed,
        bounded.place,
        bounded.evse_key,
        bounded.evse_uid,
        bounded.state,
        bounded.segment,
        MIN(bounded.slot_at) AS slot_at,
        MAX(bounded.last_slot_at) AS last_slot_at,
        MIN(bounded.answered_at) AS answered_at,
        MAX(bounded.asked_at) AS asked_at,
        MAX(CASE WHEN bounded.is_first = 1 THEN bounded.is_linked ELSE 0 END) AS is_linked,
        SUM(bounded.poll_count) AS poll_count,
        SUM(
            CASE WHEN bounded.is_first = 0 THEN COALESCE(bounded.blip_before, 0) ELSE 0 END
        ) AS bridged_poll_count,
        SUM(
            CASE
                WHEN bounded.slot_at < DATEADD('day', 1, bounded.segment_from)
                    THEN bounded.stands_s
                ELSE 0
            END
        ) AS stands_s,
        MAX(
            CASE
                WHEN bounded.segment_to >= DATEADD('day', 7, bounded.segment_from) THEN 1
                ELSE 0
            END
        ) AS is_stuck,
        MAX(
            CASE
                WHEN evse_power.hour_at <= bounded.segment_from THEN evse_power.max_power_kw
            END
        ) AS max_power_kw,
        CASE
            WHEN MAX(evse_power.is_power_unknown) = 0 THEN MAX(evse_power.power_bound_kw)
        END AS power_bound_kw
    FROM bounded
    LEFT JOIN evse_power
        ON
            bounded.state = 1
            AND bounded.evse_key = evse_power.evse_key
            AND DATE_TRUNC('hour', bounded.slot_at) = evse_power.hour_at
    -- Known only for what charges: no other state is cut.
    WHERE bounded.state <> 1 OR bounded.slot_at < DATEADD('day', 7, bounded.segment_from)
    GROUP BY
        bounded.feed,
        bounded.place,
        bounded.evse_key,
        bounded.evse_uid,
        bounded.state,
        bounded.segment
),

placed AS (
    SELECT
        segments.*,
        LAG(state) OVER (PARTITION BY evse_key ORDER BY segment) AS state_before,
        LAG(asked_at) OVER (PARTITION BY evse_key ORDER BY segment) AS asked_before,
        LEAD(state) OVER (PARTITION BY evse_key ORDER BY segment) AS state_after,
        LEAD(is_linked) OVER (PARTITION BY evse_key ORDER BY segment) AS is_linked_after,
        LEAD(answered_at) OVER (PARTITION BY evse_key ORDER BY segment) AS answered_after,
        LEAD(stands_s) OVER (PARTITION BY evse_key ORDER BY segment) AS stands_after_s
    FROM segments
),

bounds AS (
    SELECT
        placed.*,
        CASE WHEN is_linked = 1 AND state_before IN (2, 3) THEN asked_before END AS started_after,
        CASE
            WHEN is_stuck = 0 AND is_linked_after = 1 AND state_after IN (2, 3)
                THEN answered_after
        END AS ended_before
    FROM placed
    WHERE
        state = 1
        AND slot_at >= :starts_from
        AND slot_at < :starts_to
),

measured AS (
    SELECT
        bounds.*,
        DATEADD(
            'millisecond',
            CAST(
                CAST(
                    DATEDIFF('millisecond', started_after, answered_at) AS DOUBLE PRECISION
                ) / 2 AS INTEGER
            ),
            started_after
        ) AS started_at,
        DATEADD(
            'millisecond',
            CAST(
                CAST(
                    DATEDIFF('millisecond', asked_at, ended_before) AS DOUBLE PRECISION
                ) / 2 AS INTEGER
            ),
            asked_at
        ) AS ended_at,
        GREATEST(
            0, CAST(DATEDIFF('millisecond', answered_at, asked_at) AS DOUBLE PRECISION) / 1000
        ) AS duration_min_s,
        CAST(
            DATEDIFF('millisecond', started_after, ended_before) AS DOUBLE PRECISION
        ) / 1000 AS duration_max_s
    FROM bounds
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
    asked_at AS ended_after,
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
                CASE WHEN state_after = 2 THEN LEAST(stands_after_s, 86400) ELSE 0 END
                AS DOUBLE PRECISION
            )
    END AS idle_after_s,
    max_power_kw,
    CAST(0 AS DOUBLE PRECISION) AS energy_min_kwh,
    CAST(power_bound_kw * duration_max_s AS DOUBLE PRECISION) / 3600 AS energy_max_kwh,
    CAST(4 AS SMALLINT) AS rule_version
FROM measured;

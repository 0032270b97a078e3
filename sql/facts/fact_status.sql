-- Grain: one row per feed, place, EVSE and run of equal status, parking status and connector
-- overrides within an hour. A run ends at a change, at an absence from a good poll, or at a gap of
-- over 2.5 cadences; the last two show as a jump of poll_ordinal.
-- The rows of one state whose ordinals have no jump are a run, whatever else the EVSE was in the
-- hour. That is nearly all of them, and takes an aggregate; only EVSEs with a state that came back
-- in the hour are sorted. Staging is read twice: as one CTE, its rows would be kept in between.
-- Scope: slots in [:window_start, :window_end), whole hours.
WITH states AS (
    SELECT
        evse_key,
        DATE_TRUNC('hour', slot_at) AS hour_at,
        place,
        feed,
        evse_uid,
        status,
        parking_status,
        connector_status_overrides,
        MIN(slot_at) AS slot_at,
        MAX(slot_at) AS last_slot_at,
        COUNT(*) AS poll_count,
        MAX(poll_ordinal) - MIN(poll_ordinal) + 1 AS ordinal_count
    FROM staging.flat_status
    WHERE
        slot_at >= :window_start
        AND slot_at < :window_end
    GROUP BY
        evse_key,
        DATE_TRUNC('hour', slot_at),
        place,
        feed,
        evse_uid,
        status,
        parking_status,
        connector_status_overrides
),

restless AS (
    SELECT DISTINCT
        evse_key,
        hour_at
    FROM states
    WHERE ordinal_count <> poll_count
),

numbered AS (
    SELECT
        polled.*,
        restless.hour_at,
        polled.poll_ordinal - ROW_NUMBER() OVER (
            PARTITION BY
                polled.evse_key,
                restless.hour_at,
                polled.place,
                polled.status,
                polled.parking_status,
                polled.connector_status_overrides
            ORDER BY polled.poll_ordinal
        ) AS run_number
    FROM staging.flat_status AS polled
    INNER JOIN restless
        ON
            polled.evse_key = restless.evse_key
            AND DATE_TRUNC('hour', polled.slot_at) = restless.hour_at
    WHERE
        polled.slot_at >= :window_start
        AND polled.slot_at < :window_end
)

SELECT
    states.slot_at,
    states.feed,
    states.place,
    states.evse_key,
    states.evse_uid,
    states.status,
    states.parking_status,
    states.connector_status_overrides,
    states.slot_at AS first_slot_at,
    states.last_slot_at,
    CAST(states.poll_count AS INTEGER) AS poll_count
FROM states
LEFT JOIN restless
    ON
        states.evse_key = restless.evse_key
        AND states.hour_at = restless.hour_at
WHERE restless.evse_key IS NULL
UNION ALL
SELECT
    MIN(slot_at) AS slot_at,
    feed,
    place,
    evse_key,
    evse_uid,
    status,
    parking_status,
    connector_status_overrides,
    MIN(slot_at) AS first_slot_at,
    MAX(slot_at) AS last_slot_at,
    CAST(COUNT(*) AS INTEGER) AS poll_count
FROM numbered
GROUP BY
    evse_key,
    hour_at,
    place,
    feed,
    evse_uid,
    status,
    parking_status,
    connector_status_overrides,
    run_number;

-- Grain: one row per feed, place, EVSE and run of equal status, parking status and connector
-- overrides within an hour. A run ends at a change, at an absence from a good poll, or at a gap of
-- over 2.5 cadences; the last two show as a jump of poll_ordinal.
-- The rows of one state whose ordinals have no jump are a run, whatever else the EVSE was in the
-- hour. That is nearly all of them, and takes an aggregate; only states that came back are sorted.
-- Scope: slots in [:window_start, :window_end), whole hours.
WITH polled AS (
    SELECT
        slot_at,
        feed,
        place,
        evse_key,
        evse_uid,
        status,
        parking_status,
        connector_status_overrides,
        poll_ordinal,
        DATE_TRUNC('hour', slot_at) AS hour_at
    FROM staging.flat_status
    WHERE
        slot_at >= :window_start
        AND slot_at < :window_end
),

states AS (
    SELECT
        evse_key,
        hour_at,
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
    FROM polled
    GROUP BY
        evse_key, hour_at, place, feed, evse_uid, status, parking_status, connector_status_overrides
),

-- A clean value is never empty, so an empty text can stand for null in comparisons.
interrupted AS (
    SELECT
        polled.*,
        polled.poll_ordinal - ROW_NUMBER() OVER (
            PARTITION BY
                polled.evse_key,
                polled.hour_at,
                polled.place,
                polled.status,
                polled.parking_status,
                polled.connector_status_overrides
            ORDER BY polled.poll_ordinal
        ) AS run_number
    FROM polled
    INNER JOIN states
        ON
            polled.evse_key = states.evse_key
            AND polled.hour_at = states.hour_at
            AND polled.place = states.place
            AND COALESCE(polled.status, '') = COALESCE(states.status, '')
            AND COALESCE(polled.parking_status, '') = COALESCE(states.parking_status, '')
            AND COALESCE(polled.connector_status_overrides, '')
            = COALESCE(states.connector_status_overrides, '')
    WHERE states.ordinal_count <> states.poll_count
)

SELECT
    slot_at,
    feed,
    place,
    evse_key,
    evse_uid,
    status,
    parking_status,
    connector_status_overrides,
    slot_at AS first_slot_at,
    last_slot_at,
    CAST(poll_count AS INTEGER) AS poll_count
FROM states
WHERE ordinal_count = poll_count
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
FROM interrupted
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

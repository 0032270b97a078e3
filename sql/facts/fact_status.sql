-- Grain: one row per feed, place, EVSE and run of equal status, parking status and connector
-- overrides within an hour. A run ends at a change, at an absence from a good poll, or at a gap of
-- over 2.5 cadences; the last two show as a jump of poll_ordinal.
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
        DATE_TRUNC('hour', slot_at) AS hour_at,
        -- A clean value is never empty, so an empty text can stand for null in comparisons.
        COALESCE(status, '') || '|' || COALESCE(parking_status, '')
        || '|' || COALESCE(connector_status_overrides, '') AS state
    FROM staging.flat_status
    WHERE
        slot_at >= :window_start
        AND slot_at < :window_end
),

compared AS (
    SELECT
        polled.*,
        LAG(state) OVER (
            PARTITION BY evse_key, place, hour_at ORDER BY slot_at
        ) AS previous_state,
        LAG(poll_ordinal) OVER (
            PARTITION BY evse_key, place, hour_at ORDER BY slot_at
        ) AS previous_ordinal,
        LAG(slot_at) OVER (
            PARTITION BY evse_key, place, hour_at ORDER BY slot_at
        ) AS previous_slot_at,
        ROW_NUMBER() OVER (
            PARTITION BY evse_key, place, hour_at ORDER BY slot_at
        ) AS poll_number,
        COUNT(*) OVER (PARTITION BY evse_key, place, hour_at) AS hour_poll_count,
        MAX(slot_at) OVER (PARTITION BY evse_key, place, hour_at) AS hour_last_slot_at
    FROM polled
),

starts AS (
    SELECT *
    FROM compared
    WHERE
        previous_state IS NULL
        OR previous_state <> state
        OR poll_ordinal <> previous_ordinal + 1
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
    COALESCE(
        LEAD(previous_slot_at) OVER (
            PARTITION BY evse_key, place, hour_at ORDER BY slot_at
        ),
        hour_last_slot_at
    ) AS last_slot_at,
    CAST(
        COALESCE(
            LEAD(poll_number) OVER (
                PARTITION BY evse_key, place, hour_at ORDER BY slot_at
            ),
            hour_poll_count + 1
        ) - poll_number AS INTEGER
    ) AS poll_count
FROM starts;

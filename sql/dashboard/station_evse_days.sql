-- Grain: one row per EVSE that was seen at station :station_key and local day by :time_zone.
-- A session counts on the day of its first slot, and as ended on the day of its last.
-- Scope: hours in [:window_start, :window_end), whole local days.
WITH hours AS (
    SELECT
        mart_evse_hour.*,
        DATE_TRUNC('day', CONVERT_TIMEZONE('UTC', :time_zone, slot_at)) AS local_date
    FROM mart.mart_evse_hour
    WHERE
        station_key = :station_key
        AND slot_at >= :window_start
        AND slot_at < :window_end
),

begun AS (
    SELECT
        hours.evse_key,
        hours.local_date,
        COUNT(*) AS session_count
    FROM warehouse.fact_charging_session AS sessions
    INNER JOIN hours
        ON
            sessions.evse_key = hours.evse_key
            AND DATE_TRUNC('hour', sessions.slot_at) = hours.slot_at
    WHERE
        sessions.slot_at >= :window_start
        AND sessions.slot_at < :window_end
    GROUP BY hours.evse_key, hours.local_date
),

ended AS (
    SELECT
        hours.evse_key,
        hours.local_date,
        COUNT(*) AS ended_session_count,
        SUM(sessions.duration_s) AS dwell_s
    FROM warehouse.fact_charging_session AS sessions
    INNER JOIN hours
        ON
            sessions.evse_key = hours.evse_key
            AND DATE_TRUNC('hour', sessions.last_slot_at) = hours.slot_at
    WHERE
        sessions.duration_s IS NOT NULL
        AND sessions.slot_at >= DATEADD('day', -8, CAST(:window_start AS TIMESTAMP))
        AND sessions.slot_at < :window_end
    GROUP BY hours.evse_key, hours.local_date
),

summed AS (
    SELECT
        evse_key,
        local_date,
        SUM(observed_s) AS observed_s,
        SUM(available_s) AS available_s,
        SUM(charging_s) AS charging_s,
        SUM(reserved_s) AS reserved_s,
        SUM(blocked_s) AS blocked_s,
        SUM(inoperative_s) AS inoperative_s,
        SUM(out_of_order_s) AS out_of_order_s,
        SUM(unknown_s) AS unknown_s
    FROM hours
    GROUP BY evse_key, local_date
)

SELECT
    summed.evse_key,
    summed.local_date,
    CAST(1 AS INTEGER) AS evse_count,
    CAST(summed.observed_s AS BIGINT) AS observed_s,
    CAST(summed.available_s AS BIGINT) AS available_s,
    CAST(summed.charging_s AS BIGINT) AS charging_s,
    CAST(summed.reserved_s AS BIGINT) AS reserved_s,
    CAST(summed.blocked_s AS BIGINT) AS blocked_s,
    CAST(summed.inoperative_s AS BIGINT) AS inoperative_s,
    CAST(summed.out_of_order_s AS BIGINT) AS out_of_order_s,
    CAST(summed.unknown_s AS BIGINT) AS unknown_s,
    -- A day of 23 to 25 hours.
    CAST(
        DATEDIFF(
            'second',
            CONVERT_TIMEZONE(:time_zone, 'UTC', summed.local_date),
            CONVERT_TIMEZONE(:time_zone, 'UTC', DATEADD('day', 1, summed.local_date))
        ) AS BIGINT
    ) AS window_s,
    CAST(COALESCE(begun.session_count, 0) AS INTEGER) AS session_count,
    CAST(COALESCE(ended.ended_session_count, 0) AS INTEGER) AS ended_session_count,
    CAST(ROUND(COALESCE(ended.dwell_s, 0)) AS BIGINT) AS dwell_s
FROM summed
LEFT JOIN begun
    ON
        summed.evse_key = begun.evse_key
        AND summed.local_date = begun.local_date
LEFT JOIN ended
    ON
        summed.evse_key = ended.evse_key
        AND summed.local_date = ended.local_date
ORDER BY summed.evse_key, summed.local_date;

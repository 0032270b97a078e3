-- Grain: one row per feed and polled UTC hour: the number of charging sessions that began in it.
-- Scope: first slots in [:window_start, :window_end), whole hours.
WITH polled AS (
    SELECT DISTINCT
        feed,
        DATE_TRUNC('hour', slot_at) AS hour_at
    FROM warehouse.fact_poll
    WHERE
        outcome = 'ok'
        AND slot_at >= :window_start
        AND slot_at < :window_end
),

started_sessions AS (
    SELECT
        feed,
        DATE_TRUNC('hour', slot_at) AS hour_at,
        COUNT(*) AS session_count
    FROM warehouse.fact_charging_session
    WHERE
        slot_at >= :window_start
        AND slot_at < :window_end
        AND NOT is_start_censored
    GROUP BY feed, DATE_TRUNC('hour', slot_at)
)

SELECT
    polled.feed,
    polled.hour_at AS column_at,
    CAST('CHARGING' AS VARCHAR(16)) AS series,
    COALESCE(started_sessions.session_count, 0) AS amount
FROM polled
LEFT JOIN started_sessions
    ON
        polled.feed = started_sessions.feed
        AND polled.hour_at = started_sessions.hour_at
ORDER BY polled.feed, polled.hour_at;

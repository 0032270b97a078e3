-- Grain: one row per feed, operator and local month.
-- Scope: local months that begin in [:months_from, :months_to), as UTC instants.
WITH zones AS (
    SELECT
        feed,
        MAX(time_zone) AS time_zone
    FROM warehouse.fact_poll
    WHERE
        slot_at >= :months_from
        AND slot_at < DATEADD('day', 32, CAST(:months_to AS TIMESTAMP))
    GROUP BY feed
),

days AS (
    SELECT
        station_days.*,
        zones.time_zone,
        COALESCE(station_days.operator_name, '(not told)') AS operator,
        DATE_TRUNC('month', station_days.local_date) AS local_month
    FROM mart.mart_station_day AS station_days
    INNER JOIN zones
        ON station_days.feed = zones.feed
    WHERE
        station_days.slot_at >= :months_from
        AND station_days.slot_at < DATEADD('day', 32, CAST(:months_to AS TIMESTAMP))
),

by_station AS (
    SELECT
        feed,
        operator,
        local_month,
        station_key,
        MAX(evse_count) AS evse_count
    FROM days
    GROUP BY feed, operator, local_month, station_key
),

sizes AS (
    SELECT
        feed,
        operator,
        local_month,
        COUNT(*) AS station_count,
        SUM(evse_count) AS evse_count
    FROM by_station
    GROUP BY feed, operator, local_month
),

summed AS (
    SELECT
        feed,
        operator,
        local_month,
        MAX(time_zone) AS time_zone,
        COUNT(DISTINCT local_date) AS day_count,
        SUM(observed_s) AS observed_s,
        SUM(available_s) AS available_s,
        SUM(charging_s) AS charging_s,
        SUM(reserved_s) AS reserved_s,
        SUM(blocked_s) AS blocked_s,
        SUM(inoperative_s) AS inoperative_s,
        SUM(out_of_order_s) AS out_of_order_s,
        SUM(unknown_s) AS unknown_s,
        SUM(window_s) AS window_s,
        SUM(session_count) AS session_count,
        SUM(ended_session_count) AS ended_session_count,
        SUM(dwell_s) AS dwell_s
    FROM days
    GROUP BY feed, operator, local_month
),

dated AS (
    SELECT
        summed.*,
        CONVERT_TIMEZONE(time_zone, 'UTC', local_month) AS month_from
    FROM summed
),

measured AS (
    SELECT
        dated.*,
        available_s + charging_s + reserved_s + blocked_s AS operable_s,
        charging_s + reserved_s + blocked_s AS occupied_s,
        observed_s - inoperative_s - out_of_order_s AS working_s,
        -- Null where too little was seen: it makes null of every share that it is multiplied with.
        CASE
            WHEN observed_s * 5 >= window_s * 4 THEN CAST(1 AS DOUBLE PRECISION)
        END AS counted
    FROM dated
)

SELECT
    measured.month_from AS slot_at,
    measured.local_month,
    measured.feed,
    CAST(measured.operator AS VARCHAR(256)) AS operator_name,
    CAST(sizes.station_count AS INTEGER) AS station_count,
    CAST(sizes.evse_count AS INTEGER) AS evse_count,
    CAST(measured.day_count AS INTEGER) AS day_count,
    CAST(measured.observed_s AS BIGINT) AS observed_s,
    CAST(measured.available_s AS BIGINT) AS available_s,
    CAST(measured.charging_s AS BIGINT) AS charging_s,
    CAST(measured.reserved_s AS BIGINT) AS reserved_s,
    CAST(measured.blocked_s AS BIGINT) AS blocked_s,
    CAST(measured.inoperative_s AS BIGINT) AS inoperative_s,
    CAST(measured.out_of_order_s AS BIGINT) AS out_of_order_s,
    CAST(measured.unknown_s AS BIGINT) AS unknown_s,
    CAST(measured.window_s AS BIGINT) AS window_s,
    LEAST(
        1.0, CAST(measured.observed_s AS DOUBLE PRECISION) / NULLIF(measured.window_s, 0)
    ) AS coverage,
    measured.counted
    * (
        CAST(measured.charging_s AS DOUBLE PRECISION)
        / NULLIF(measured.operable_s, 0)
    ) AS utilisation,
    measured.counted
    * (
        CAST(measured.occupied_s AS DOUBLE PRECISION)
        / NULLIF(measured.operable_s, 0)
    ) AS occupancy,
    measured.counted
    * (
        CAST(measured.operable_s AS DOUBLE PRECISION)
        / NULLIF(measured.observed_s, 0)
    ) AS availability,
    measured.counted
    * (
        CAST(measured.working_s AS DOUBLE PRECISION)
        / NULLIF(measured.observed_s, 0)
    ) AS reliability,
    CAST(measured.session_count AS INTEGER) AS session_count,
    CAST(measured.ended_session_count AS INTEGER) AS ended_session_count,
    CAST(measured.dwell_s AS BIGINT) AS dwell_s
FROM measured
INNER JOIN sizes
    ON
        measured.feed = sizes.feed
        AND measured.operator = sizes.operator
        AND measured.local_month = sizes.local_month
WHERE
    measured.month_from >= :months_from
    AND measured.month_from < :months_to;

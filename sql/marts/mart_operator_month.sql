-- Grain: one row per feed, operator and local month.
-- The window is the month, or what of it lies before the end of the feed's newest good poll. Days
-- of a place without any row count in it: those after an observed day, until the place's next one,
-- with the EVSEs of that day; those before the place's first one of the month with the EVSEs of the
-- first. A day that is not over counts as far as the newest poll reaches, and never for less than
-- was seen.
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

-- No upper bound: later polls end the window of any month.
last_polls AS (
    SELECT
        feed,
        MAX(slot_at) AS slot_at
    FROM warehouse.fact_poll
    WHERE
        outcome = 'ok'
        AND slot_at >= :months_from
    GROUP BY feed
),

newest AS (
    SELECT
        polls.feed,
        MAX(DATEADD('second', polls.cadence_s, polls.slot_at)) AS known_to
    FROM warehouse.fact_poll AS polls
    INNER JOIN last_polls
        ON
            polls.feed = last_polls.feed
            AND polls.slot_at = last_polls.slot_at
    WHERE
        polls.outcome = 'ok'
        AND polls.slot_at >= :months_from
    GROUP BY polls.feed
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

months AS (
    SELECT
        month_days.feed,
        month_days.local_month,
        month_days.month_from,
        LEAST(month_days.month_to, newest.known_to) AS ends_at
    FROM (
        SELECT
            feed,
            local_month,
            CONVERT_TIMEZONE(MAX(time_zone), 'UTC', local_month) AS month_from,
            CONVERT_TIMEZONE(
                MAX(time_zone), 'UTC', DATEADD('month', 1, local_month)
            ) AS month_to
        FROM days
        GROUP BY feed, local_month
    ) AS month_days
    INNER JOIN newest
        ON month_days.feed = newest.feed
),

observed_days AS (
    SELECT
        places.feed,
        places.place,
        places.local_date,
        months.month_from,
        months.ends_at AS month_ends_at,
        places.day_from,
        places.day_to,
        LAG(places.day_from) OVER (
            PARTITION BY places.feed, places.place, places.local_month ORDER BY places.day_from
        ) AS day_before,
        LEAD(places.day_from) OVER (
            PARTITION BY places.feed, places.place, places.local_month ORDER BY places.day_from
        ) AS next_day
    FROM (
        SELECT
            feed,
            place,
            local_month,
            local_date,
            MIN(slot_at) AS day_from,
            MAX(ends_at) AS day_to
        FROM days
        GROUP BY feed, place, local_month, local_date
    ) AS places
    INNER JOIN months
        ON
            places.feed = months.feed
            AND places.local_month = months.local_month
),

missing AS (
    SELECT
        feed,
        place,
        local_date,
        GREATEST(0, DATEDIFF('second', month_ends_at, day_to)) AS to_come_s,
        GREATEST(0, DATEDIFF('second', day_to, COALESCE(next_day, month_ends_at)))
        + CASE
            WHEN day_before IS NULL THEN DATEDIFF('second', month_from, day_from)
            ELSE 0
        END AS missing_s
    FROM observed_days
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
        days.feed,
        days.operator,
        days.local_month,
        COUNT(DISTINCT days.local_date) AS day_count,
        SUM(days.observed_s) AS observed_s,
        SUM(days.available_s) AS available_s,
        SUM(days.charging_s) AS charging_s,
        SUM(days.reserved_s) AS reserved_s,
        SUM(days.blocked_s) AS blocked_s,
        SUM(days.inoperative_s) AS inoperative_s,
        SUM(days.out_of_order_s) AS out_of_order_s,
        SUM(days.unknown_s) AS unknown_s,
        SUM(
            CASE
                WHEN missing.to_come_s > 0
                    THEN GREATEST(
                        days.observed_s, days.window_s - days.evse_count * missing.to_come_s
                    )
                ELSE days.window_s
            END
            + days.evse_count * missing.missing_s
        ) AS window_s,
        SUM(days.session_count) AS session_count,
        SUM(days.session_exposure_s) AS session_exposure_s,
        SUM(days.ended_session_count) AS ended_session_count,
        SUM(days.dwell_s) AS dwell_s
    FROM days
    INNER JOIN missing
        ON
            days.feed = missing.feed
            AND days.place = missing.place
            AND days.local_date = missing.local_date
    GROUP BY days.feed, days.operator, days.local_month
),

measured AS (
    SELECT
        summed.*,
        months.month_from,
        months.ends_at,
        available_s + charging_s + reserved_s + blocked_s AS operable_s,
        charging_s + reserved_s + blocked_s AS occupied_s,
        observed_s - inoperative_s - out_of_order_s AS working_s,
        -- Null where too little was seen: it makes null of every share that it is multiplied with.
        CASE
            WHEN observed_s * 5 >= window_s * 4 THEN CAST(1 AS DOUBLE PRECISION)
        END AS counted,
        CASE
            WHEN (observed_s - unknown_s) * 5 >= observed_s THEN CAST(1 AS DOUBLE PRECISION)
        END AS known
    FROM summed
    INNER JOIN months
        ON
            summed.feed = months.feed
            AND summed.local_month = months.local_month
)

SELECT
    measured.month_from AS slot_at,
    measured.local_month,
    measured.ends_at,
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
    * measured.known
    * (
        CAST(measured.working_s AS DOUBLE PRECISION)
        / NULLIF(measured.observed_s, 0)
    ) AS reliability,
    CAST(measured.session_count AS INTEGER) AS session_count,
    CAST(measured.session_exposure_s AS BIGINT) AS session_exposure_s,
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

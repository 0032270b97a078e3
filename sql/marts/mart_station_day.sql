-- Grain: one row per feed, station and local day on which one of its EVSEs was seen.
-- A session counts on the day of its first slot, and as ended on the day of its last.
-- Scope: local days that begin in [:days_from, :days_to), as UTC instants.
WITH zones AS (
    SELECT
        feed,
        MAX(time_zone) AS time_zone
    FROM warehouse.fact_poll
    WHERE
        slot_at >= :days_from
        AND slot_at < DATEADD('hour', 26, CAST(:days_to AS TIMESTAMP))
    GROUP BY feed
),

hours AS (
    SELECT
        evse_hours.*,
        zones.time_zone,
        DATE_TRUNC(
            'day', CONVERT_TIMEZONE('UTC', zones.time_zone, evse_hours.slot_at)
        ) AS local_date
    FROM mart.mart_evse_hour AS evse_hours
    INNER JOIN zones
        ON evse_hours.feed = zones.feed
    WHERE
        evse_hours.slot_at >= :days_from
        AND evse_hours.slot_at < DATEADD('hour', 26, CAST(:days_to AS TIMESTAMP))
),

begun AS (
    SELECT
        hours.feed,
        hours.station_key,
        hours.local_date,
        COUNT(*) AS session_count
    FROM warehouse.fact_charging_session AS sessions
    INNER JOIN hours
        ON
            sessions.feed = hours.feed
            AND sessions.evse_key = hours.evse_key
            AND DATE_TRUNC('hour', sessions.slot_at) = hours.slot_at
    WHERE
        sessions.slot_at >= :days_from
        AND sessions.slot_at < DATEADD('hour', 26, CAST(:days_to AS TIMESTAMP))
    GROUP BY hours.feed, hours.station_key, hours.local_date
),

ended AS (
    SELECT
        hours.feed,
        hours.station_key,
        hours.local_date,
        COUNT(*) AS ended_session_count,
        SUM(sessions.duration_s) AS dwell_s
    FROM warehouse.fact_charging_session AS sessions
    INNER JOIN hours
        ON
            sessions.feed = hours.feed
            AND sessions.evse_key = hours.evse_key
            AND DATE_TRUNC('hour', sessions.last_slot_at) = hours.slot_at
    WHERE
        sessions.duration_s IS NOT NULL
        AND sessions.slot_at >= DATEADD('day', -8, CAST(:days_from AS TIMESTAMP))
        AND sessions.slot_at < DATEADD('hour', 26, CAST(:days_to AS TIMESTAMP))
    GROUP BY hours.feed, hours.station_key, hours.local_date
),

summed AS (
    SELECT
        feed,
        station_key,
        local_date,
        MAX(time_zone) AS time_zone,
        MIN(place) AS place,
        MAX(slot_at) AS last_hour_at,
        COUNT(DISTINCT evse_key) AS evse_count,
        SUM(observed_s) AS observed_s,
        SUM(available_s) AS available_s,
        SUM(charging_s) AS charging_s,
        SUM(reserved_s) AS reserved_s,
        SUM(blocked_s) AS blocked_s,
        SUM(inoperative_s) AS inoperative_s,
        SUM(out_of_order_s) AS out_of_order_s,
        SUM(unknown_s) AS unknown_s
    FROM hours
    WHERE station_key IS NOT NULL
    GROUP BY feed, station_key, local_date
),

station_hours AS (
    SELECT
        station_hours.*,
        DATE_TRUNC(
            'day', CONVERT_TIMEZONE('UTC', zones.time_zone, station_hours.slot_at)
        ) AS local_date
    FROM mart.mart_station_hour AS station_hours
    INNER JOIN zones
        ON station_hours.feed = zones.feed
    WHERE
        station_hours.slot_at >= :days_from
        AND station_hours.slot_at < DATEADD('hour', 26, CAST(:days_to AS TIMESTAMP))
),

saturation AS (
    SELECT
        feed,
        station_key,
        local_date,
        SUM(station_operable_s) AS station_operable_s,
        SUM(saturated_s) AS saturated_s
    FROM station_hours
    GROUP BY feed, station_key, local_date
),

dated AS (
    SELECT
        summed.*,
        CONVERT_TIMEZONE(time_zone, 'UTC', local_date) AS day_from,
        summed.evse_count * DATEDIFF(
            'second',
            CONVERT_TIMEZONE(time_zone, 'UTC', local_date),
            CONVERT_TIMEZONE(time_zone, 'UTC', DATEADD('day', 1, local_date))
        ) AS window_s
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
),

named AS (
    SELECT
        dated.station_key,
        dated.local_date,
        stations.name AS station_name,
        stations.operator_name,
        ROW_NUMBER() OVER (
            PARTITION BY dated.station_key, dated.local_date ORDER BY stations.valid_from DESC
        ) AS latest
    FROM dated
    INNER JOIN warehouse.dim_station AS stations
        ON
            dated.station_key = stations.station_key
            AND stations.valid_from < DATEADD('hour', 1, dated.last_hour_at)
            AND COALESCE(stations.valid_to, TIMESTAMP '9999-12-31') > dated.last_hour_at
)

SELECT
    measured.day_from AS slot_at,
    measured.local_date,
    measured.feed,
    measured.place,
    measured.station_key,
    named.station_name,
    named.operator_name,
    CAST(measured.evse_count AS INTEGER) AS evse_count,
    CAST(measured.observed_s AS BIGINT) AS observed_s,
    CAST(measured.available_s AS BIGINT) AS available_s,
    CAST(measured.charging_s AS BIGINT) AS charging_s,
    CAST(measured.reserved_s AS BIGINT) AS reserved_s,
    CAST(measured.blocked_s AS BIGINT) AS blocked_s,
    CAST(measured.inoperative_s AS BIGINT) AS inoperative_s,
    CAST(measured.out_of_order_s AS BIGINT) AS out_of_order_s,
    CAST(measured.unknown_s AS BIGINT) AS unknown_s,
    CAST(COALESCE(saturation.station_operable_s, 0) AS BIGINT) AS station_operable_s,
    CAST(COALESCE(saturation.saturated_s, 0) AS BIGINT) AS saturated_s,
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
    measured.counted
    * (
        CAST(saturation.saturated_s AS DOUBLE PRECISION)
        / NULLIF(saturation.station_operable_s, 0)
    ) AS saturation,
    CAST(COALESCE(begun.session_count, 0) AS INTEGER) AS session_count,
    CAST(COALESCE(ended.ended_session_count, 0) AS INTEGER) AS ended_session_count,
    CAST(ROUND(COALESCE(ended.dwell_s, 0)) AS BIGINT) AS dwell_s
FROM measured
LEFT JOIN saturation
    ON
        measured.feed = saturation.feed
        AND measured.station_key = saturation.station_key
        AND measured.local_date = saturation.local_date
LEFT JOIN named
    ON
        measured.station_key = named.station_key
        AND measured.local_date = named.local_date
        AND named.latest = 1
LEFT JOIN begun
    ON
        measured.feed = begun.feed
        AND measured.station_key = begun.station_key
        AND measured.local_date = begun.local_date
LEFT JOIN ended
    ON
        measured.feed = ended.feed
        AND measured.station_key = ended.station_key
        AND measured.local_date = ended.local_date
WHERE
    measured.day_from >= :days_from
    AND measured.day_from < :days_to;

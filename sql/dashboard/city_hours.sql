-- Grain: one row per local weekday (1 Monday to 7 Sunday) and hour of day of :feed, by the clock
-- of :time_zone; :place and :operator_name (of today's stations) narrow it down where not empty.
-- Scope: hours in [:window_start, :window_end).
WITH stations AS (
    SELECT station_key
    FROM warehouse.dim_station
    WHERE
        feed = :feed
        AND is_current
        AND (:operator_name = '' OR COALESCE(operator_name, '(not told)') = :operator_name)
),

hours AS (
    SELECT
        station_hours.slot_at,
        SUM(station_hours.observed_s) AS observed_s,
        SUM(
            station_hours.available_s + station_hours.charging_s
            + station_hours.reserved_s + station_hours.blocked_s
        ) AS operable_s,
        SUM(station_hours.charging_s) AS charging_s,
        SUM(station_hours.window_s) AS window_s
    FROM mart.mart_station_hour AS station_hours
    INNER JOIN stations
        ON station_hours.station_key = stations.station_key
    WHERE
        station_hours.feed = :feed
        AND station_hours.slot_at >= :window_start
        AND station_hours.slot_at < :window_end
        AND (:place = '' OR station_hours.place = :place)
    GROUP BY station_hours.slot_at
)

SELECT
    times.weekday,
    times.local_hour,
    COUNT(*) AS hour_count,
    CAST(SUM(hours.observed_s) AS BIGINT) AS observed_s,
    CAST(SUM(hours.operable_s) AS BIGINT) AS operable_s,
    CAST(SUM(hours.charging_s) AS BIGINT) AS charging_s,
    CAST(SUM(hours.window_s) AS BIGINT) AS window_s
FROM hours
INNER JOIN warehouse.dim_time AS times
    ON
        hours.slot_at = times.slot_at
        AND times.time_zone = :time_zone
GROUP BY times.weekday, times.local_hour
ORDER BY times.weekday, times.local_hour;

-- Grain: one row per feed, place, operator and UTC hour in which one of its EVSEs was seen.
-- Operators are those that stations have today, (not told) where one names none or is gone.
-- Scope: everything; readers narrow it down by slot_at.
SELECT
    station_hours.slot_at,
    station_hours.feed,
    station_hours.place,
    COALESCE(stations.operator_name, '(not told)') AS operator_name,
    CAST(SUM(station_hours.evse_count) AS INTEGER) AS evse_count,
    CAST(SUM(station_hours.observed_s) AS BIGINT) AS observed_s,
    CAST(
        SUM(
            station_hours.available_s + station_hours.charging_s
            + station_hours.reserved_s + station_hours.blocked_s
        ) AS BIGINT
    ) AS operable_s,
    CAST(SUM(station_hours.charging_s) AS BIGINT) AS charging_s,
    CAST(SUM(station_hours.window_s) AS BIGINT) AS window_s
FROM mart.mart_station_hour AS station_hours
LEFT JOIN warehouse.dim_station AS stations
    ON
        station_hours.station_key = stations.station_key
        AND stations.is_current
GROUP BY
    station_hours.slot_at,
    station_hours.feed,
    station_hours.place,
    COALESCE(stations.operator_name, '(not told)');

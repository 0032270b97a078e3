-- Grain: one row per station of :feed whose reliability is below 99 %, the thousand worst; :place
-- and :operator_name narrow them down where they are not empty.
-- Scope: local days from :from_date to :to_date, both included.
WITH summed AS (
    SELECT
        station_key,
        MAX(station_name) AS station_name,
        MAX(place) AS place,
        MAX(operator_name) AS operator_name,
        MAX(evse_count) AS evse_count,
        CAST(SUM(observed_s) AS BIGINT) AS observed_s,
        CAST(SUM(available_s) AS BIGINT) AS available_s,
        CAST(SUM(charging_s) AS BIGINT) AS charging_s,
        CAST(SUM(reserved_s) AS BIGINT) AS reserved_s,
        CAST(SUM(blocked_s) AS BIGINT) AS blocked_s,
        CAST(SUM(inoperative_s) AS BIGINT) AS inoperative_s,
        CAST(SUM(out_of_order_s) AS BIGINT) AS out_of_order_s,
        CAST(SUM(unknown_s) AS BIGINT) AS unknown_s,
        CAST(SUM(window_s) AS BIGINT) AS window_s
    FROM mart.mart_station_day
    WHERE
        feed = :feed
        AND local_date >= :from_date
        AND local_date <= :to_date
        AND (:place = '' OR place = :place)
        AND (:operator_name = '' OR COALESCE(operator_name, '(not told)') = :operator_name)
    GROUP BY station_key
)

SELECT
    station_key,
    station_name,
    place,
    operator_name,
    evse_count,
    observed_s,
    inoperative_s,
    out_of_order_s,
    unknown_s,
    1 - CAST(inoperative_s + out_of_order_s AS DOUBLE PRECISION) / observed_s AS reliability,
    CAST(observed_s AS DOUBLE PRECISION) / NULLIF(window_s, 0) AS coverage
FROM summed
WHERE
    observed_s * 5 >= window_s * 4
    AND observed_s > 0
    AND (inoperative_s + out_of_order_s) * 100 > observed_s
ORDER BY reliability, station_key
LIMIT 1000;

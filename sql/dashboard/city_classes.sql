-- Grain: one row per power class of :feed; :place narrows it down where it is not empty.
-- Scope: local days from :from_date to :to_date, both included.
WITH by_day AS (
    SELECT
        power_class,
        local_date,
        SUM(evse_count) AS evse_count,
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
    FROM mart.mart_city_day
    WHERE
        feed = :feed
        AND local_date >= :from_date
        AND local_date <= :to_date
        AND (:place = '' OR place = :place)
    GROUP BY power_class, local_date
)

SELECT
    power_class,
    CAST(MAX(evse_count) AS INTEGER) AS evse_count,
    CAST(SUM(observed_s) AS BIGINT) AS observed_s,
    CAST(SUM(available_s) AS BIGINT) AS available_s,
    CAST(SUM(charging_s) AS BIGINT) AS charging_s,
    CAST(SUM(reserved_s) AS BIGINT) AS reserved_s,
    CAST(SUM(blocked_s) AS BIGINT) AS blocked_s,
    CAST(SUM(inoperative_s) AS BIGINT) AS inoperative_s,
    CAST(SUM(out_of_order_s) AS BIGINT) AS out_of_order_s,
    CAST(SUM(unknown_s) AS BIGINT) AS unknown_s,
    CAST(SUM(window_s) AS BIGINT) AS window_s,
    CAST(SUM(session_count) AS BIGINT) AS session_count,
    CAST(SUM(ended_session_count) AS BIGINT) AS ended_session_count,
    CAST(SUM(dwell_s) AS BIGINT) AS dwell_s
FROM by_day
GROUP BY power_class
ORDER BY power_class;

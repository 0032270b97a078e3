-- Grain: one row per place and local day of :feed, summed over stations; :place and :operator_name
-- narrow them down where they are not empty.
-- Scope: local days from :from_date to :to_date, both included.
SELECT
    place,
    local_date,
    COUNT(*) AS station_count,
    CAST(SUM(evse_count) AS INTEGER) AS evse_count,
    CAST(SUM(observed_s) AS BIGINT) AS observed_s,
    CAST(SUM(available_s) AS BIGINT) AS available_s,
    CAST(SUM(charging_s) AS BIGINT) AS charging_s,
    CAST(SUM(reserved_s) AS BIGINT) AS reserved_s,
    CAST(SUM(blocked_s) AS BIGINT) AS blocked_s,
    CAST(SUM(inoperative_s) AS BIGINT) AS inoperative_s,
    CAST(SUM(out_of_order_s) AS BIGINT) AS out_of_order_s,
    CAST(SUM(unknown_s) AS BIGINT) AS unknown_s,
    CAST(SUM(window_s) AS BIGINT) AS window_s,
    CAST(SUM(station_operable_s) AS BIGINT) AS station_operable_s,
    CAST(SUM(saturated_s) AS BIGINT) AS saturated_s,
    CAST(SUM(session_count) AS BIGINT) AS session_count,
    CAST(SUM(ended_session_count) AS BIGINT) AS ended_session_count,
    CAST(SUM(dwell_s) AS BIGINT) AS dwell_s
FROM mart.mart_station_day
WHERE
    feed = :feed
    AND local_date >= :from_date
    AND local_date <= :to_date
    AND (:place = '' OR place = :place)
    AND (:operator_name = '' OR COALESCE(operator_name, '(not told)') = :operator_name)
GROUP BY place, local_date
ORDER BY local_date, place;

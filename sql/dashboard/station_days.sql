-- Grain: one row per local day of station :station_key.
-- Scope: local days from :from_date to :to_date, both included.
SELECT
    local_date,
    evse_count,
    observed_s,
    available_s,
    charging_s,
    reserved_s,
    blocked_s,
    inoperative_s,
    out_of_order_s,
    unknown_s,
    window_s,
    station_operable_s,
    saturated_s,
    session_count,
    ended_session_count,
    dwell_s,
    coverage,
    utilisation,
    occupancy,
    availability,
    reliability
FROM mart.mart_station_day
WHERE
    station_key = :station_key
    AND local_date >= :from_date
    AND local_date <= :to_date
ORDER BY local_date;

-- Grain: one row per operator of :feed; (not stated) if a station names none.
-- Scope: current stations, and days from :from_date to :to_date, both included.
SELECT COALESCE(operator_name, '(not stated)') AS operator_name
FROM warehouse.dim_station
WHERE
    feed = :feed
    AND is_current
UNION
SELECT COALESCE(operator_name, '(not stated)') AS operator_name
FROM mart.mart_station_day
WHERE
    feed = :feed
    AND local_date >= :from_date
    AND local_date <= :to_date
ORDER BY operator_name;

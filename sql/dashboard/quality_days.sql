-- Grain: one row per place and local day of :feed on which something was seen.
-- Scope: local days from :from_date to :to_date, both included.
SELECT
    place,
    local_date,
    CAST(SUM(evse_count) AS INTEGER) AS evse_count,
    CAST(SUM(observed_s) AS BIGINT) AS observed_s,
    CAST(SUM(window_s) AS BIGINT) AS window_s,
    CAST(SUM(observed_s) AS DOUBLE PRECISION) / NULLIF(SUM(window_s), 0) AS coverage
FROM mart.mart_city_day
WHERE
    feed = :feed
    AND local_date >= :from_date
    AND local_date <= :to_date
GROUP BY place, local_date
ORDER BY place, local_date;

-- Grain: one row per place of :feed with stations, and the city of most of them.
-- Scope: current stations, and days from :from_date to :to_date, both included. A place without
-- current stations has its own name as city.
WITH counted AS (
    SELECT
        place,
        city,
        COUNT(*) AS station_count
    FROM warehouse.dim_station
    WHERE
        feed = :feed
        AND is_current
    GROUP BY place, city
    UNION ALL
    SELECT
        place,
        place AS city,
        0 AS station_count
    FROM mart.mart_city_day
    WHERE
        feed = :feed
        AND local_date >= :from_date
        AND local_date <= :to_date
    GROUP BY place
),

ranked AS (
    SELECT
        place,
        city,
        ROW_NUMBER() OVER (PARTITION BY place ORDER BY station_count DESC, city ASC) AS city_rank
    FROM counted
)

SELECT
    place,
    COALESCE(city, place) AS city
FROM ranked
WHERE city_rank = 1
ORDER BY COALESCE(city, place), place;

-- Grain: one row per place of :feed that has stations, with the city that most of them are in.
-- Scope: stations that are current.
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

-- Generated from sql/dashboard/places.sql (1eebf2ce98d62935) by python -m charging_assets.warehouse.transpile; do not edit.
WITH counted AS (
  SELECT
    place,
    city,
    COUNT(*) AS station_count
  FROM warehouse.dim_station
  WHERE
    feed = $feed AND is_current
  GROUP BY
    place,
    city
  UNION ALL
  SELECT
    place,
    place AS city,
    0 AS station_count
  FROM mart.mart_city_day
  WHERE
    feed = $feed AND local_date >= $from_date AND local_date <= $to_date
  GROUP BY
    place
), ranked AS (
  SELECT
    place,
    city,
    ROW_NUMBER() OVER (PARTITION BY place ORDER BY station_count DESC NULLS FIRST, city ASC) AS city_rank
  FROM counted
)
SELECT
  place,
  COALESCE(city, place) AS city
FROM ranked
WHERE
  city_rank = 1
ORDER BY
  COALESCE(city, place),
  place

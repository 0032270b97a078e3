-- Generated from sql/checks/flat_stations__one_id_is_one_station.sql (f320e7644ec697fc) by python -m charging_assets.warehouse.transpile; do not edit.
WITH states AS (
  SELECT
    feed,
    place,
    station_key,
    station_id,
    name,
    city,
    address,
    latitude,
    longitude,
    UPPER(name) AS upper_name,
    UPPER(
      COALESCE(address, '') || '/' || COALESCE(postal_code, '') || '/' || COALESCE(city, '')
    ) AS upper_address
  FROM staging.flat_stations
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
), pairs AS (
  SELECT
    states.feed,
    states.station_key,
    states.station_id,
    states.place,
    others.place AS other_place,
    states.name,
    others.name AS other_name,
    states.city,
    others.city AS other_city,
    CASE
      WHEN ABS(states.latitude - others.latitude) > 0.009
      OR ABS(states.longitude - others.longitude) > 0.014
      THEN 1
      WHEN ABS(states.latitude - others.latitude) <= 0.0018
      AND ABS(states.longitude - others.longitude) <= 0.0028
      THEN 0
      WHEN states.upper_name <> others.upper_name
      AND states.upper_address <> others.upper_address
      THEN 1
      ELSE 0
    END AS is_other
  FROM states
  INNER JOIN states AS others
    ON states.feed = others.feed
    AND states.station_key = others.station_key
    AND states.place < others.place
)
SELECT
  feed,
  station_id,
  place,
  other_place,
  MIN(name) AS name,
  MIN(other_name) AS other_name,
  MIN(city) AS city,
  MIN(other_city) AS other_city
FROM pairs
GROUP BY
  feed,
  station_key,
  station_id,
  place,
  other_place
HAVING
  MIN(is_other) = 1
ORDER BY
  feed,
  station_id,
  place,
  other_place

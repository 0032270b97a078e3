-- Generated from sql/checks/flat_stations__coordinates_are_in_the_country.sql (de9bab5752596736) by python -m charging_assets.warehouse.transpile; do not edit.
WITH checked AS (
  SELECT
    feed,
    place,
    station_id,
    country,
    latitude,
    longitude,
    CASE country
      WHEN 'AT'
      THEN latitude BETWEEN 46.3 AND 49.1 AND longitude BETWEEN 9.5 AND 17.2
      WHEN 'BE'
      THEN latitude BETWEEN 49.4 AND 51.6 AND longitude BETWEEN 2.5 AND 6.5
      WHEN 'CH'
      THEN latitude BETWEEN 45.8 AND 47.9 AND longitude BETWEEN 5.9 AND 10.6
      WHEN 'CZ'
      THEN latitude BETWEEN 48.5 AND 51.1 AND longitude BETWEEN 12.0 AND 18.9
      WHEN 'DE'
      THEN latitude BETWEEN 47.2 AND 55.1 AND longitude BETWEEN 5.8 AND 15.1
      WHEN 'DK'
      THEN latitude BETWEEN 54.5 AND 57.8 AND longitude BETWEEN 8.0 AND 15.3
      WHEN 'FR'
      THEN latitude BETWEEN 41.3 AND 51.2 AND longitude BETWEEN -5.2 AND 9.7
      WHEN 'GB'
      THEN latitude BETWEEN 49.8 AND 60.9 AND longitude BETWEEN -8.7 AND 1.8
      WHEN 'IT'
      THEN latitude BETWEEN 35.4 AND 47.1 AND longitude BETWEEN 6.6 AND 18.6
      WHEN 'LI'
      THEN latitude BETWEEN 47.0 AND 47.3 AND longitude BETWEEN 9.4 AND 9.7
      WHEN 'LU'
      THEN latitude BETWEEN 49.4 AND 50.2 AND longitude BETWEEN 5.7 AND 6.6
      WHEN 'NL'
      THEN latitude BETWEEN 50.7 AND 53.6 AND longitude BETWEEN 3.3 AND 7.3
      WHEN 'PL'
      THEN latitude BETWEEN 49.0 AND 54.9 AND longitude BETWEEN 14.1 AND 24.2
      WHEN 'SE'
      THEN latitude BETWEEN 55.3 AND 69.1 AND longitude BETWEEN 10.9 AND 24.2
      ELSE latitude BETWEEN 27.0 AND 71.3 AND longitude BETWEEN -31.3 AND 40.0
    END AS is_inside
  FROM staging.flat_stations
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
)
SELECT DISTINCT
  feed,
  place,
  station_id,
  country,
  latitude,
  longitude
FROM checked
WHERE
  COALESCE(is_inside, FALSE) = FALSE
ORDER BY
  feed,
  place,
  station_id,
  country,
  latitude,
  longitude

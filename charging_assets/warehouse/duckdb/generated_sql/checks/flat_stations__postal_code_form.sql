-- Generated from sql/checks/flat_stations__postal_code_form.sql (55fd32762eb788a4) by python -m charging_assets.warehouse.transpile; do not edit.
WITH checked AS (
  SELECT
    feed,
    place,
    station_id,
    country,
    postal_code,
    CASE
      WHEN country IN ('DE', 'FR', 'IT', 'ES')
      THEN REGEXP_MATCHES(postal_code, '^[0-9]{5}$')
      WHEN country IN ('AT', 'BE', 'CH', 'DK', 'HU', 'LI', 'LU', 'NO', 'SI')
      THEN REGEXP_MATCHES(postal_code, '^[0-9]{4}$')
      WHEN country IN ('CZ', 'SE', 'SK')
      THEN REGEXP_MATCHES(postal_code, '^[0-9]{3} ?[0-9]{2}$')
      WHEN country = 'PL'
      THEN REGEXP_MATCHES(postal_code, '^[0-9]{2}-?[0-9]{3}$')
      WHEN country = 'NL'
      THEN REGEXP_MATCHES(postal_code, '^[0-9]{4} ?[A-Z]{2}$')
      ELSE NOT postal_code IS NULL
    END AS is_one
  FROM staging.flat_stations
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
)
SELECT DISTINCT
  feed,
  place,
  station_id,
  country,
  postal_code
FROM checked
WHERE
  COALESCE(is_one, FALSE) = FALSE
ORDER BY
  feed,
  place,
  station_id,
  country,
  postal_code

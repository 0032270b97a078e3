-- Grain: one row per station whose postal code does not have the format of its country.
-- Scope: slots in [:window_start, :window_end). For countries that are not listed any is accepted.
WITH checked AS (
    SELECT
        feed,
        place,
        station_id,
        country,
        postal_code,
        CASE
            WHEN country IN ('DE', 'FR', 'IT', 'ES') THEN postal_code ~ '^[0-9]{5}$'
            WHEN country IN ('AT', 'BE', 'CH', 'DK', 'HU', 'LI', 'LU', 'NO', 'SI')
                THEN postal_code ~ '^[0-9]{4}$'
            WHEN country IN ('CZ', 'SE', 'SK') THEN postal_code ~ '^[0-9]{3} ?[0-9]{2}$'
            WHEN country = 'PL' THEN postal_code ~ '^[0-9]{2}-?[0-9]{3}$'
            WHEN country = 'NL' THEN postal_code ~ '^[0-9]{4} ?[A-Z]{2}$'
            ELSE postal_code IS NOT NULL
        END AS is_one
    FROM staging.flat_stations
    WHERE
        slot_at >= :window_start
        AND slot_at < :window_end
)

SELECT DISTINCT
    feed,
    place,
    station_id,
    country,
    postal_code
FROM checked
WHERE COALESCE(is_one, FALSE) = FALSE
ORDER BY feed, place, station_id, country, postal_code;

-- Grain: one row per station without a country of two capitals (ISO 3166-1 alpha-2).
-- Scope: slots in [:window_start, :window_end).
SELECT DISTINCT
    feed,
    place,
    station_id,
    country
FROM staging.flat_stations
WHERE
    slot_at >= :window_start
    AND slot_at < :window_end
    AND (country IS NULL OR LENGTH(country) <> 2)
ORDER BY feed, place, station_id, country;

-- Grain: one row per station that is not always open and publishes no opening hours.
-- Scope: slots in [:window_start, :window_end).
SELECT DISTINCT
    feed,
    place,
    station_id,
    name,
    is_open_24_7
FROM staging.flat_stations
WHERE
    slot_at >= :window_start
    AND slot_at < :window_end
    AND COALESCE(is_open_24_7, FALSE) = FALSE
    AND COALESCE(opening_hours, '[]') = '[]'
ORDER BY feed, place, station_id;

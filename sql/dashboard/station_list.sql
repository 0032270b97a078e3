-- Grain: one row per station of :place of :feed.
-- Scope: current stations.
SELECT
    station_key,
    name,
    address
FROM warehouse.dim_station
WHERE
    feed = :feed
    AND place = :place
    AND is_current
ORDER BY name, station_key
LIMIT 2000;

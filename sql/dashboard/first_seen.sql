-- Grain: one row: the slot at which a station was first seen, null where none was.
-- Scope: stations of :feed; :place, :operator_name and :station_key (0 for all) narrow them down.
SELECT MIN(valid_from) AS first_at
FROM warehouse.dim_station
WHERE
    feed = :feed
    AND (:place = '' OR place = :place)
    AND (:operator_name = '' OR COALESCE(operator_name, '(not stated)') = :operator_name)
    AND (:station_key = 0 OR station_key = :station_key);

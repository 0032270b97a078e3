-- Grain: one row: the slot in which a station was first observed, null if there is none.
-- Scope: stations of :feed, filtered by :place, :operator_name and :station_key (0 for all).
SELECT MIN(valid_from) AS first_at
FROM warehouse.dim_station
WHERE
    feed = :feed
    AND (:place = '' OR place = :place)
    AND (:operator_name = '' OR COALESCE(operator_name, '(not stated)') = :operator_name)
    AND (:station_key = 0 OR station_key = :station_key);

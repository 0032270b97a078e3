-- Generated from sql/checks/flat_evses__one_id_is_one_evse.sql (12a2d7426bc3cc48) by python -m charging_assets.warehouse.transpile; do not edit.
WITH states AS (
  SELECT
    feed,
    place,
    evse_key,
    evse_uid,
    evse_id,
    station_key,
    station_id,
    REPLACE(REPLACE(UPPER(evse_id), '*', ''), '-', '') AS plain_evse_id
  FROM staging.flat_evses
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
), pairs AS (
  SELECT
    states.feed,
    states.evse_key,
    states.evse_uid,
    states.place,
    others.place AS other_place,
    states.evse_id,
    others.evse_id AS other_evse_id,
    states.station_id,
    others.station_id AS other_station_id,
    CASE
      WHEN states.plain_evse_id = others.plain_evse_id
      THEN 0
      WHEN states.plain_evse_id <> others.plain_evse_id
      THEN 1
      WHEN states.station_key <> others.station_key
      THEN 1
      ELSE 0
    END AS is_other
  FROM states
  INNER JOIN states AS others
    ON states.feed = others.feed
    AND states.evse_key = others.evse_key
    AND states.place < others.place
)
SELECT
  feed,
  evse_uid,
  place,
  other_place,
  MIN(evse_id) AS evse_id,
  MIN(other_evse_id) AS other_evse_id,
  MIN(station_id) AS station_id,
  MIN(other_station_id) AS other_station_id
FROM pairs
GROUP BY
  feed,
  evse_key,
  evse_uid,
  place,
  other_place
HAVING
  MIN(is_other) = 1
ORDER BY
  feed,
  evse_uid,
  place,
  other_place

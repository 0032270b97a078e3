-- Generated from sql/checks/staged_tables__no_place_is_rejected_completely.sql (c118e87fd221f359) by python -m charging_assets.warehouse.transpile; do not edit.
WITH places AS (
  SELECT
    feed,
    place,
    SUM(
      CASE
        WHEN outcome IN ('ok', 'not_modified', 'bad_body', 'unknown_kind')
        THEN 1
        ELSE 0
      END
    ) AS answer_count,
    SUM(CASE WHEN outcome IN ('bad_body', 'unknown_kind') THEN 1 ELSE 0 END) AS bad_body_count,
    SUM(station_count) AS station_count,
    SUM(station_rejected_count) AS station_rejected_count,
    SUM(evse_count) AS evse_count,
    SUM(evse_rejected_count) AS evse_rejected_count,
    SUM(connector_count) AS connector_count,
    SUM(connector_rejected_count) AS connector_rejected_count,
    MAX(raw_key) AS raw_key
  FROM staging.flat_polls
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
  GROUP BY
    feed,
    place
)
SELECT
  feed,
  place,
  answer_count,
  bad_body_count,
  station_rejected_count,
  evse_rejected_count,
  connector_rejected_count,
  raw_key
FROM places
WHERE
  (
    answer_count > 0 AND bad_body_count = answer_count
  )
  OR (
    station_count > 0 AND station_rejected_count = station_count
  )
  OR (
    evse_count > 0 AND evse_rejected_count = evse_count
  )
  OR (
    connector_count > 0 AND connector_rejected_count = connector_count
  )
ORDER BY
  feed,
  place

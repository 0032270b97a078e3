-- Generated from sql/checks/staged_balance.sql (3e5e896d964caad1) by python -m charging_assets.warehouse.transpile; do not edit.
WITH polls AS (
  SELECT
    feed,
    place,
    SUM(station_count - station_rejected_count) AS stations,
    SUM(evse_count - evse_rejected_count) AS evses,
    SUM(connector_count - connector_rejected_count) AS connectors
  FROM staging.flat_polls
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
  GROUP BY
    feed,
    place
), expected AS (
  SELECT
    CAST('station' AS TEXT(16)) AS entity,
    feed,
    place,
    stations AS record_count
  FROM polls
  UNION ALL
  SELECT
    CAST('evse' AS TEXT(16)) AS entity,
    feed,
    place,
    evses AS record_count
  FROM polls
  UNION ALL
  SELECT
    CAST('status' AS TEXT(16)) AS entity,
    feed,
    place,
    evses AS record_count
  FROM polls
  UNION ALL
  SELECT
    CAST('connector' AS TEXT(16)) AS entity,
    feed,
    place,
    connectors AS record_count
  FROM polls
), loaded AS (
  SELECT
    CAST('station' AS TEXT(16)) AS entity,
    feed,
    place,
    SUM(poll_count) AS record_count
  FROM staging.flat_stations
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
  GROUP BY
    feed,
    place
  UNION ALL
  SELECT
    CAST('evse' AS TEXT(16)) AS entity,
    feed,
    place,
    SUM(poll_count) AS record_count
  FROM staging.flat_evses
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
  GROUP BY
    feed,
    place
  UNION ALL
  SELECT
    CAST('status' AS TEXT(16)) AS entity,
    feed,
    place,
    COUNT(*) AS record_count
  FROM staging.flat_status
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
  GROUP BY
    feed,
    place
  UNION ALL
  SELECT
    CAST('connector' AS TEXT(16)) AS entity,
    feed,
    place,
    SUM(poll_count) AS record_count
  FROM staging.flat_connectors
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
  GROUP BY
    feed,
    place
)
SELECT
  COALESCE(expected.entity, loaded.entity) AS entity,
  COALESCE(expected.feed, loaded.feed) AS feed,
  COALESCE(expected.place, loaded.place) AS place,
  COALESCE(expected.record_count, 0) AS expected_count,
  COALESCE(loaded.record_count, 0) AS loaded_count
FROM expected
FULL OUTER JOIN loaded
  ON expected.entity = loaded.entity
  AND expected.feed = loaded.feed
  AND expected.place = loaded.place
WHERE
  COALESCE(expected.record_count, 0) <> COALESCE(loaded.record_count, 0)
ORDER BY
  entity,
  feed,
  place

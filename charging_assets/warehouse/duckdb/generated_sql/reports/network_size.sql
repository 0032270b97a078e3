-- Generated from sql/reports/network_size.sql (39695e0138ee43c6) by python -m charging_assets.warehouse.transpile; do not edit.
WITH stations AS (
  SELECT
    COUNT(DISTINCT station_key) AS station_count
  FROM warehouse.dim_station
  WHERE
    feed = $feed
    AND valid_from < $window_end
    AND (
      valid_to IS NULL OR valid_to > $window_start
    )
), evses AS (
  SELECT
    COUNT(DISTINCT evse_key) AS evse_count
  FROM warehouse.dim_evse
  WHERE
    feed = $feed
    AND valid_from < $window_end
    AND (
      valid_to IS NULL OR valid_to > $window_start
    )
), connectors AS (
  SELECT
    COUNT(DISTINCT connector_key) AS connector_count
  FROM warehouse.dim_connector
  WHERE
    feed = $feed
    AND valid_from < $window_end
    AND (
      valid_to IS NULL OR valid_to > $window_start
    )
), polls AS (
  SELECT
    COUNT(DISTINCT slot_at) AS poll_count,
    COUNT(DISTINCT DATE_TRUNC('HOUR', slot_at)) AS hour_count,
    COUNT(DISTINCT place) AS place_count
  FROM warehouse.fact_poll
  WHERE
    feed = $feed AND slot_at >= $window_start AND slot_at < $window_end
)
SELECT
  stations.station_count,
  evses.evse_count,
  connectors.connector_count,
  polls.poll_count,
  polls.hour_count,
  polls.place_count
FROM stations
CROSS JOIN evses
CROSS JOIN connectors
CROSS JOIN polls

-- Generated from sql/checks/mart_station_hour__seconds_match_its_evses.sql (628a50912027688d) by python -m charging_assets.warehouse.transpile; do not edit.
WITH evses AS (
  SELECT
    feed,
    SUM(observed_s) AS observed_s,
    SUM(charging_s) AS charging_s,
    SUM(session_exposure_s) AS session_exposure_s
  FROM mart.mart_evse_hour
  WHERE
    slot_at >= $window_start AND slot_at < $window_end AND NOT station_key IS NULL
  GROUP BY
    feed
), stations AS (
  SELECT
    feed,
    SUM(observed_s) AS observed_s,
    SUM(charging_s) AS charging_s,
    SUM(session_exposure_s) AS session_exposure_s
  FROM mart.mart_station_hour
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
  GROUP BY
    feed
)
SELECT
  COALESCE(evses.feed, stations.feed) AS feed,
  evses.observed_s AS evse_observed_s,
  stations.observed_s AS station_observed_s,
  evses.charging_s AS evse_charging_s,
  stations.charging_s AS station_charging_s,
  evses.session_exposure_s AS evse_session_exposure_s,
  stations.session_exposure_s AS station_session_exposure_s
FROM evses
FULL OUTER JOIN stations
  ON evses.feed = stations.feed
WHERE
  COALESCE(evses.observed_s, -1) <> COALESCE(stations.observed_s, -1)
  OR COALESCE(evses.charging_s, -1) <> COALESCE(stations.charging_s, -1)
  OR COALESCE(evses.session_exposure_s, -1) <> COALESCE(stations.session_exposure_s, -1)
ORDER BY
  feed

-- Generated from sql/checks/flat_status__operators_report_status.sql (86058e50487bca35) by python -m charging_assets.warehouse.transpile; do not edit.
WITH operators AS (
  SELECT
    evses.feed,
    evses.place,
    evses.evse_key,
    MAX(stations.operator_name) AS operator_name
  FROM staging.flat_evses AS evses
  INNER JOIN staging.flat_stations AS stations
    ON evses.feed = stations.feed
    AND evses.place = stations.place
    AND evses.station_key = stations.station_key
  WHERE
    evses.slot_at >= $window_start
    AND evses.slot_at < $window_end
    AND stations.slot_at >= $window_start
    AND stations.slot_at < $window_end
  GROUP BY
    evses.feed,
    evses.place,
    evses.evse_key
), shares AS (
  SELECT
    seen.feed,
    operators.operator_name,
    COUNT(DISTINCT seen.evse_key) AS evse_count,
    SUM(seen.poll_count) AS poll_count,
    CAST(SUM(
      CASE
        WHEN COALESCE(seen.status, 'UNKNOWN') = 'UNKNOWN'
        THEN seen.poll_count
        ELSE 0
      END
    ) AS INT) AS unknown_count
  FROM staging.flat_status AS seen
  INNER JOIN operators
    ON seen.feed = operators.feed
    AND seen.place = operators.place
    AND seen.evse_key = operators.evse_key
  WHERE
    seen.slot_at >= $window_start AND seen.slot_at < $window_end
  GROUP BY
    seen.feed,
    operators.operator_name
)
SELECT
  feed,
  operator_name,
  evse_count,
  unknown_count,
  ROUND(CAST(unknown_count AS DOUBLE) / poll_count, 3) AS unknown_share
FROM shares
WHERE
  unknown_count * 10 > poll_count
ORDER BY
  unknown_share DESC NULLS FIRST,
  feed ASC,
  operator_name ASC

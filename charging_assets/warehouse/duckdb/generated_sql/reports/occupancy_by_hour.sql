-- Generated from sql/reports/occupancy_by_hour.sql (d4955a9a08e438ba) by python -m charging_assets.warehouse.transpile; do not edit.
WITH zones AS (
  SELECT
    feed,
    MAX(time_zone) AS time_zone
  FROM warehouse.fact_poll
  WHERE
    feed = $feed AND slot_at >= $window_start AND slot_at < $window_end
  GROUP BY
    feed
), hours AS (
  SELECT
    evse_hours.*,
    CAST(EXTRACT(HOUR FROM CAST(evse_hours.slot_at AS TIMESTAMP) AT TIME ZONE 'UTC' AT TIME ZONE zones.time_zone) AS INT) AS local_hour
  FROM mart.mart_evse_hour AS evse_hours
  INNER JOIN zones
    ON evse_hours.feed = zones.feed
  WHERE
    evse_hours.slot_at >= $window_start AND evse_hours.slot_at < $window_end
)
SELECT
  local_hour,
  CAST(SUM(observed_s) AS BIGINT) AS observed_s,
  CAST(SUM(available_s + charging_s + reserved_s + blocked_s) AS BIGINT) AS operable_s,
  CAST(SUM(available_s) AS BIGINT) AS available_s,
  CAST(SUM(
    GREATEST(
      observed_s,
      window_s - GREATEST(
        0,
        DATE_DIFF(
          'SECOND',
          CAST($now_at AS TIMESTAMP),
          CAST(CAST(slot_at AS TIMESTAMP) + INTERVAL 1 HOUR AS TIMESTAMP)
        )
      )
    )
  ) AS BIGINT) AS window_s
FROM hours
GROUP BY
  local_hour
ORDER BY
  local_hour

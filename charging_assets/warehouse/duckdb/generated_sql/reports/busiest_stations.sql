-- Generated from sql/reports/busiest_stations.sql (4baa3bdef09fab94) by python -m charging_assets.warehouse.transpile; do not edit.
WITH place_hours AS (
  SELECT
    place,
    slot_at,
    MAX(observed_s) AS polled_s
  FROM mart.mart_evse_hour
  WHERE
    feed = $feed AND slot_at >= $window_start AND slot_at < $window_end
  GROUP BY
    place,
    slot_at
), neighbours AS (
  SELECT
    place_hours.*,
    CAST(slot_at AS TIMESTAMP) + INTERVAL 1 HOUR AS ends_at,
    LAG(slot_at) OVER (PARTITION BY place ORDER BY slot_at) AS previous_at,
    LEAD(slot_at) OVER (PARTITION BY place ORDER BY slot_at) AS next_at
  FROM place_hours
), windows AS (
  SELECT
    place,
    slot_at,
    polled_s,
    GREATEST(
      0,
      DATE_DIFF(
        'SECOND',
        CAST(ends_at AS TIMESTAMP),
        CAST(LEAST(COALESCE(next_at, CAST($window_end AS TIMESTAMP)), CAST($now_at AS TIMESTAMP)) AS TIMESTAMP)
      )
    ) + CASE
      WHEN previous_at IS NULL
      THEN DATE_DIFF('SECOND', CAST($window_start AS TIMESTAMP), CAST(slot_at AS TIMESTAMP))
      ELSE 0
    END AS missing_s,
    GREATEST(0, DATE_DIFF('SECOND', CAST($now_at AS TIMESTAMP), CAST(ends_at AS TIMESTAMP))) AS future_s
  FROM neighbours
), place_time AS (
  SELECT
    place,
    SUM(polled_s) AS polled_s
  FROM place_hours
  GROUP BY
    place
), totals AS (
  SELECT
    hours.station_key,
    MIN(hours.place) AS place,
    COUNT(DISTINCT hours.evse_key) AS evse_count,
    SUM(hours.observed_s) AS observed_s,
    SUM(
      GREATEST(hours.observed_s, hours.window_s - windows.future_s) + windows.missing_s
    ) AS window_s,
    SUM(hours.available_s + hours.charging_s + hours.reserved_s + hours.blocked_s) AS operable_s,
    SUM(hours.charging_s) AS charging_s
  FROM mart.mart_evse_hour AS hours
  INNER JOIN windows
    ON hours.place = windows.place AND hours.slot_at = windows.slot_at
  WHERE
    hours.feed = $feed
    AND hours.slot_at >= $window_start
    AND hours.slot_at < $window_end
    AND NOT hours.station_key IS NULL
  GROUP BY
    hours.station_key
), named AS (
  SELECT
    station_key,
    name,
    city,
    ROW_NUMBER() OVER (PARTITION BY station_key ORDER BY valid_from DESC NULLS FIRST) AS version_rank
  FROM warehouse.dim_station
  WHERE
    valid_from < $window_end
)
SELECT
  totals.station_key,
  named.name,
  named.city,
  totals.place,
  totals.evse_count,
  CAST(totals.observed_s AS BIGINT) AS observed_s,
  CAST(totals.window_s AS BIGINT) AS window_s,
  CAST(totals.operable_s AS BIGINT) AS operable_s,
  CAST(totals.charging_s AS BIGINT) AS charging_s
FROM totals
INNER JOIN place_time
  ON totals.place = place_time.place
LEFT JOIN named
  ON totals.station_key = named.station_key AND named.version_rank = 1
WHERE
  totals.observed_s * 5 >= totals.window_s * 4
  AND totals.observed_s * 5 >= 4 * totals.evse_count * place_time.polled_s
  AND totals.operable_s * 5 >= 4 * totals.observed_s
  AND totals.operable_s > 0
ORDER BY
  CAST(totals.charging_s AS DOUBLE) / NULLIF(totals.operable_s, 0) DESC NULLS FIRST,
  totals.station_key ASC
LIMIT 10

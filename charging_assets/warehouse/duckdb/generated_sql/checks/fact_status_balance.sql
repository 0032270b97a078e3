-- Generated from sql/checks/fact_status_balance.sql (42f9f681ee28a807) by python -m charging_assets.warehouse.transpile; do not edit.
WITH polled AS (
  SELECT
    feed,
    place,
    COUNT(*) AS row_count
  FROM staging.flat_status
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
  GROUP BY
    feed,
    place
), runs AS (
  SELECT
    feed,
    place,
    SUM(poll_count) AS row_count
  FROM warehouse.fact_status
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
  GROUP BY
    feed,
    place
)
SELECT
  COALESCE(polled.feed, runs.feed) AS feed,
  COALESCE(polled.place, runs.place) AS place,
  COALESCE(polled.row_count, 0) AS polled_count,
  COALESCE(runs.row_count, 0) AS run_count
FROM polled
FULL OUTER JOIN runs
  ON polled.feed = runs.feed AND polled.place = runs.place
WHERE
  COALESCE(polled.row_count, 0) <> COALESCE(runs.row_count, 0)
ORDER BY
  feed,
  place

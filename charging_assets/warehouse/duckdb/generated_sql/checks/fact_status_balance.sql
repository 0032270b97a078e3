-- Generated from sql/checks/fact_status_balance.sql (052176004b27c471) by python -m charging_assets.warehouse.transpile; do not edit.
WITH staged AS (
  SELECT
    feed,
    place,
    slot_at,
    SUM(poll_count) AS status_count
  FROM staging.flat_status
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
  GROUP BY
    feed,
    place,
    slot_at
), loaded AS (
  SELECT
    feed,
    place,
    slot_at,
    SUM(poll_count) AS status_count
  FROM warehouse.fact_status
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
  GROUP BY
    feed,
    place,
    slot_at
)
SELECT
  COALESCE(staged.feed, loaded.feed) AS feed,
  COALESCE(staged.place, loaded.place) AS place,
  COALESCE(staged.slot_at, loaded.slot_at) AS slot_at,
  COALESCE(staged.status_count, 0) AS staged_count,
  COALESCE(loaded.status_count, 0) AS loaded_count
FROM staged
FULL OUTER JOIN loaded
  ON staged.feed = loaded.feed
  AND staged.place = loaded.place
  AND staged.slot_at = loaded.slot_at
WHERE
  COALESCE(staged.status_count, 0) <> COALESCE(loaded.status_count, 0)
ORDER BY
  feed,
  place,
  slot_at

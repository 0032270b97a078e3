-- Generated from sql/checks/flat_polls__clock_agrees.sql (81d211c93d76ccd4) by python -m charging_assets.warehouse.transpile; do not edit.
WITH clocks AS (
  SELECT
    feed,
    place,
    slot_at,
    DATE_DIFF(
      'SECOND',
      CAST(COALESCE(requested_at, slot_at) AS TIMESTAMP),
      CAST(observed_at AS TIMESTAMP)
    ) AS ahead_s
  FROM staging.flat_polls
  WHERE
    slot_at >= $window_start AND slot_at < $window_end AND NOT observed_at IS NULL
)
SELECT
  feed,
  place,
  MIN(ahead_s) AS least_ahead_s,
  MAX(ahead_s) AS most_ahead_s,
  COUNT(*) AS poll_count
FROM clocks
WHERE
  ABS(ahead_s) > 900
GROUP BY
  feed,
  place
ORDER BY
  poll_count DESC NULLS FIRST,
  feed ASC,
  place ASC

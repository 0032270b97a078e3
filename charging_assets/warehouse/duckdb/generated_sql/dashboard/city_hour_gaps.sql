-- Generated from sql/dashboard/city_hour_gaps.sql (bbbc2ac15485c795) by python -m charging_assets.warehouse.transpile; do not edit.
WITH hours AS (
  SELECT
    place,
    slot_at,
    SUM(
      CASE
        WHEN $operator_name = '' OR operator_name = $operator_name
        THEN evse_count
        ELSE 0
      END
    ) AS evse_count
  FROM mart.city_hour
  WHERE
    feed = $feed
    AND slot_at >= $window_start
    AND slot_at < $window_end
    AND (
      $place = '' OR place = $place
    )
  GROUP BY
    place,
    slot_at
), neighbours AS (
  SELECT
    hours.*,
    LAG(slot_at) OVER (PARTITION BY place ORDER BY slot_at) AS previous_at,
    LEAD(slot_at) OVER (PARTITION BY place ORDER BY slot_at) AS next_at
  FROM hours
), gaps AS (
  SELECT
    evse_count,
    CAST(slot_at AS TIMESTAMP) + INTERVAL 1 HOUR AS gap_from,
    LEAST(COALESCE(next_at, CAST($window_end AS TIMESTAMP)), CAST($now_at AS TIMESTAMP)) AS gap_to
  FROM neighbours
  UNION ALL
  SELECT
    evse_count,
    CAST($window_start AS TIMESTAMP) AS gap_from,
    slot_at AS gap_to
  FROM neighbours
  WHERE
    previous_at IS NULL
)
SELECT
  gap_from,
  gap_to,
  CAST(SUM(evse_count) AS BIGINT) AS evse_count
FROM gaps
WHERE
  gap_from < gap_to AND evse_count > 0
GROUP BY
  gap_from,
  gap_to
ORDER BY
  gap_from,
  gap_to

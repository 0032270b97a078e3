-- Generated from sql/dimensions/entity_reach.sql (6209a5d565de7d58) by python -m charging_assets.warehouse.transpile; do not edit.
WITH near AS (
  SELECT
    entity_key,
    MAX(CASE WHEN slot_at < $window_start THEN 1 ELSE 0 END) AS is_before,
    MAX(CASE WHEN slot_at >= $window_end THEN 1 ELSE 0 END) AS is_after
  FROM warehouse.entity_observation
  WHERE
    entity_type = $entity_type
    AND slot_at >= (
      CAST($window_start AS TIMESTAMP) + INTERVAL (-25) HOUR
    )
    AND slot_at < (
      CAST($window_end AS TIMESTAMP) + INTERVAL 25 HOUR
    )
    AND entity_key IN (
      SELECT
        affected_entity.entity_key
      FROM affected_entity
    )
  GROUP BY
    entity_key
), latest AS (
  SELECT
    entity_key,
    valid_from,
    seen_until,
    ROW_NUMBER() OVER (PARTITION BY entity_key ORDER BY valid_from DESC NULLS FIRST) AS age_rank
  FROM previous_version
  WHERE
    valid_from < $window_start
), before_hour AS (
  SELECT
    MIN(latest.valid_from) AS far_from
  FROM latest
  LEFT JOIN near
    ON latest.entity_key = near.entity_key AND near.is_before = 1
  WHERE
    latest.age_rank = 1
    AND near.entity_key IS NULL
    AND COALESCE(latest.seen_until, CAST('9999-12-31' AS TIMESTAMP)) >= $window_start
), after_hour AS (
  SELECT
    COUNT(*) AS far_count
  FROM affected_entity
  LEFT JOIN near
    ON affected_entity.entity_key = near.entity_key AND near.is_after = 1
  WHERE
    near.entity_key IS NULL
)
SELECT
  LEAST(
    CAST($window_start AS TIMESTAMP) + INTERVAL (-25) HOUR,
    COALESCE(before_hour.far_from, CAST($window_start AS TIMESTAMP))
  ) AS reach_from,
  CASE
    WHEN after_hour.far_count > 0
    AND $newest_at >= (
      CAST($window_end AS TIMESTAMP) + INTERVAL 24 HOUR
    )
    THEN CAST($newest_at AS TIMESTAMP) + INTERVAL 1 HOUR
    ELSE CAST($window_end AS TIMESTAMP) + INTERVAL 25 HOUR
  END AS reach_to
FROM before_hour
CROSS JOIN after_hour

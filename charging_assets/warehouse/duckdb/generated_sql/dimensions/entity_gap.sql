-- Generated from sql/dimensions/entity_gap.sql (d43a16ff6831bc6f) by python -m charging_assets.warehouse.transpile; do not edit.
WITH boundaries_with_next AS (
  SELECT
    entity_key,
    feed,
    place,
    seen_at,
    is_after,
    LEAD(seen_at) OVER (PARTITION BY entity_key ORDER BY seen_at) AS next_at
  FROM entity_boundary
)
SELECT
  entity_key,
  feed,
  place,
  seen_at,
  next_at
FROM boundaries_with_next
WHERE
  is_after = 0
  AND (
    next_at IS NULL OR next_at > (
      CAST(seen_at AS TIMESTAMP) + INTERVAL 1 DAY
    )
  )

-- Generated from sql/dimensions/entity_version.sql (6166e42f19ea1404) by python -m charging_assets.warehouse.transpile; do not edit.
WITH boundaries AS (
  SELECT
    entity_boundary.entity_key,
    entity_boundary.attribute_hash,
    entity_boundary.feed,
    entity_boundary.place,
    entity_boundary.seen_at,
    entity_boundary.is_before,
    entity_closing.closed_at
  FROM entity_boundary
  LEFT JOIN entity_closing
    ON entity_boundary.entity_key = entity_closing.entity_key
    AND entity_boundary.seen_at = entity_closing.seen_at
), boundaries_with_previous AS (
  SELECT
    boundaries.*,
    LAG(attribute_hash) OVER (PARTITION BY entity_key ORDER BY seen_at) AS previous_hash,
    LAG(feed) OVER (PARTITION BY entity_key ORDER BY seen_at) AS previous_feed,
    LAG(place) OVER (PARTITION BY entity_key ORDER BY seen_at) AS previous_place,
    LAG(closed_at) OVER (PARTITION BY entity_key ORDER BY seen_at) AS previous_closed_at
  FROM boundaries
), hour_bounds AS (
  SELECT
    affected_entity.entity_key,
    COALESCE(
      MAX(CASE WHEN entity_boundary.is_before = 1 THEN entity_boundary.seen_at END),
      CAST('1970-01-01' AS TIMESTAMP)
    ) AS before_at,
    COALESCE(
      MAX(CASE WHEN entity_boundary.is_after = 1 THEN entity_boundary.seen_at END),
      CAST('9999-12-31' AS TIMESTAMP)
    ) AS after_at
  FROM affected_entity
  LEFT JOIN entity_boundary
    ON affected_entity.entity_key = entity_boundary.entity_key
  GROUP BY
    affected_entity.entity_key
), previous_versions AS (
  SELECT
    previous_version.*,
    hour_bounds.before_at,
    hour_bounds.after_at
  FROM previous_version
  INNER JOIN hour_bounds
    ON previous_version.entity_key = hour_bounds.entity_key
), starts AS (
  SELECT
    entity_key,
    attribute_hash,
    feed,
    place,
    valid_from
  FROM previous_versions
  WHERE
    valid_from <= before_at OR valid_from > after_at
  UNION
  SELECT
    entity_key,
    attribute_hash,
    feed,
    place,
    seen_at AS valid_from
  FROM boundaries_with_previous
  WHERE
    is_before = 0
    AND (
      previous_hash IS NULL
      OR previous_hash <> attribute_hash
      OR previous_feed <> feed
      OR previous_place <> place
      OR NOT previous_closed_at IS NULL
    )
), closings AS (
  SELECT
    entity_key,
    seen_until,
    valid_to AS closed_at
  FROM previous_versions
  WHERE
    NOT seen_until IS NULL AND (
      seen_until < before_at OR seen_until >= after_at
    )
  UNION
  SELECT
    entity_key,
    seen_at AS seen_until,
    closed_at
  FROM boundaries
  WHERE
    NOT closed_at IS NULL
), starts_with_next AS (
  SELECT
    starts.*,
    LEAD(valid_from) OVER (PARTITION BY entity_key ORDER BY valid_from) AS next_from,
    LEAD(attribute_hash) OVER (PARTITION BY entity_key ORDER BY valid_from) AS next_hash
  FROM starts
)
SELECT
  CAST($entity_type AS TEXT(16)) AS entity_type,
  starts_with_next.entity_key,
  starts_with_next.attribute_hash,
  starts_with_next.feed,
  starts_with_next.place,
  starts_with_next.valid_from,
  COALESCE(closings.closed_at, starts_with_next.next_from) AS valid_to,
  CAST(CASE
    WHEN NOT closings.closed_at IS NULL
    THEN 'disappeared'
    WHEN starts_with_next.next_from IS NULL
    THEN NULL
    WHEN starts_with_next.next_hash = starts_with_next.attribute_hash
    THEN 'moved'
    ELSE 'changed'
  END AS TEXT(32)) AS close_reason,
  closings.seen_until
FROM starts_with_next
LEFT JOIN closings
  ON starts_with_next.entity_key = closings.entity_key
  AND starts_with_next.valid_from <= closings.seen_until
  AND COALESCE(starts_with_next.next_from, CAST('9999-12-31' AS TIMESTAMP)) > closings.seen_until

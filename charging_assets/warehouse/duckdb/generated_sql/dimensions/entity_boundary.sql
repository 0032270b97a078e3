-- Generated from sql/dimensions/entity_boundary.sql (09bf1b00ea46d435) by python -m charging_assets.warehouse.transpile; do not edit.
WITH observations AS (
  SELECT
    slot_at,
    last_slot_at,
    entity_key,
    attribute_hash,
    feed,
    place
  FROM warehouse.entity_observation
  WHERE
    entity_type = $entity_type
    AND slot_at >= $reach_from
    AND slot_at < $reach_to
    AND entity_key IN (
      SELECT
        affected_entity.entity_key
      FROM affected_entity
    )
), closed_versions AS (
  SELECT
    entity_key,
    attribute_hash,
    feed,
    place,
    seen_until AS seen_at
  FROM previous_version
  WHERE
    seen_until < $window_start
), before_hour AS (
  SELECT
    entity_key,
    attribute_hash,
    feed,
    place,
    last_slot_at AS seen_at
  FROM observations
  WHERE
    slot_at < $window_start
  UNION
  SELECT
    entity_key,
    attribute_hash,
    feed,
    place,
    seen_at
  FROM closed_versions
), after_hour AS (
  SELECT
    entity_key,
    attribute_hash,
    feed,
    place,
    slot_at AS seen_at
  FROM observations
  WHERE
    slot_at >= $window_end
), latest_at AS (
  SELECT
    entity_key,
    MAX(seen_at) AS seen_at
  FROM before_hour
  GROUP BY
    entity_key
), latest AS (
  SELECT
    before_hour.entity_key,
    before_hour.seen_at,
    MIN(before_hour.attribute_hash) AS attribute_hash,
    MIN(before_hour.feed) AS feed,
    MIN(before_hour.place) AS place
  FROM before_hour
  INNER JOIN latest_at
    ON before_hour.entity_key = latest_at.entity_key
    AND before_hour.seen_at = latest_at.seen_at
  GROUP BY
    before_hour.entity_key,
    before_hour.seen_at
), earliest_at AS (
  SELECT
    entity_key,
    MIN(seen_at) AS seen_at
  FROM after_hour
  GROUP BY
    entity_key
), earliest AS (
  SELECT
    after_hour.entity_key,
    after_hour.seen_at,
    MIN(after_hour.attribute_hash) AS attribute_hash,
    MIN(after_hour.feed) AS feed,
    MIN(after_hour.place) AS place
  FROM after_hour
  INNER JOIN earliest_at
    ON after_hour.entity_key = earliest_at.entity_key
    AND after_hour.seen_at = earliest_at.seen_at
  GROUP BY
    after_hour.entity_key,
    after_hour.seen_at
)
SELECT
  entity_key,
  attribute_hash,
  feed,
  place,
  seen_at,
  1 AS is_before,
  0 AS is_after
FROM latest
UNION
SELECT
  entity_key,
  attribute_hash,
  feed,
  place,
  slot_at AS seen_at,
  0 AS is_before,
  0 AS is_after
FROM observations
WHERE
  slot_at >= $window_start AND slot_at < $window_end
UNION
SELECT
  entity_key,
  attribute_hash,
  feed,
  place,
  last_slot_at AS seen_at,
  0 AS is_before,
  0 AS is_after
FROM observations
WHERE
  slot_at >= $window_start AND slot_at < $window_end
UNION
SELECT
  entity_key,
  attribute_hash,
  feed,
  place,
  seen_at,
  0 AS is_before,
  1 AS is_after
FROM earliest

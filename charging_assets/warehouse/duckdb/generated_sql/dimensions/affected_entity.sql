-- Generated from sql/dimensions/affected_entity.sql (0d12ee3921819b53) by python -m charging_assets.warehouse.transpile; do not edit.
WITH stored AS (
  SELECT
    slot_at,
    last_slot_at,
    entity_key,
    attribute_hash,
    feed,
    place
  FROM warehouse.entity_observation
  WHERE
    entity_type = $entity_type AND slot_at >= $window_start AND slot_at < $window_end
), incoming AS (
  SELECT
    slot_at,
    last_slot_at,
    entity_key,
    attribute_hash,
    feed,
    place
  FROM new_observation
), added AS (
  SELECT
    *
  FROM incoming
  EXCEPT
  SELECT
    *
  FROM stored
), removed AS (
  SELECT
    *
  FROM stored
  EXCEPT
  SELECT
    *
  FROM incoming
), versions AS (
  SELECT
    entity_key,
    attribute_hash,
    feed,
    place,
    valid_from,
    valid_to,
    seen_until
  FROM warehouse.entity_version
  WHERE
    entity_type = $entity_type
), seen_before AS (
  SELECT DISTINCT
    entity_key
  FROM warehouse.entity_observation
  WHERE
    entity_type = $entity_type
    AND slot_at >= (
      CAST($window_start AS TIMESTAMP) + INTERVAL (-23) HOUR
    )
    AND slot_at < $window_start
), seen_after AS (
  SELECT DISTINCT
    entity_key
  FROM warehouse.entity_observation
  WHERE
    entity_type = $entity_type
    AND slot_at >= $window_end
    AND slot_at < (
      CAST($window_end AS TIMESTAMP) + INTERVAL 23 HOUR
    )
  UNION
  SELECT DISTINCT
    entity_key
  FROM incoming
  WHERE
    $newest_at < $window_end
), explained AS (
  SELECT
    added.slot_at,
    added.last_slot_at,
    added.entity_key,
    added.attribute_hash,
    added.feed,
    added.place
  FROM added
  INNER JOIN versions
    ON added.entity_key = versions.entity_key
    AND added.attribute_hash = versions.attribute_hash
    AND added.feed = versions.feed
    AND added.place = versions.place
    AND versions.valid_from < $window_start
    AND added.last_slot_at < COALESCE(versions.valid_to, CAST('9999-12-31' AS TIMESTAMP))
    AND added.last_slot_at <= COALESCE(versions.seen_until, CAST('9999-12-31' AS TIMESTAMP))
  INNER JOIN seen_before
    ON added.entity_key = seen_before.entity_key
  INNER JOIN seen_after
    ON added.entity_key = seen_after.entity_key
), unexplained AS (
  SELECT
    *
  FROM added
  EXCEPT
  SELECT
    *
  FROM explained
), stored_polls AS (
  SELECT
    slot_at,
    feed,
    place,
    record_count
  FROM warehouse.entity_poll
  WHERE
    entity_type = $entity_type AND slot_at >= $window_start AND slot_at < $window_end
), incoming_polls AS (
  SELECT
    slot_at,
    feed,
    place,
    record_count
  FROM new_poll
), polled AS (
  SELECT
    feed,
    place
  FROM stored_polls
  UNION
  SELECT
    feed,
    place
  FROM incoming_polls
), added_polls AS (
  SELECT
    *
  FROM incoming_polls
  EXCEPT
  SELECT
    *
  FROM stored_polls
), removed_polls AS (
  SELECT
    *
  FROM stored_polls
  EXCEPT
  SELECT
    *
  FROM incoming_polls
), changed_polls AS (
  SELECT
    feed,
    place
  FROM added_polls
  UNION
  SELECT
    feed,
    place
  FROM removed_polls
), changed_places AS (
  SELECT
    changed_polls.feed,
    changed_polls.place
  FROM changed_polls
  INNER JOIN stored_polls
    ON changed_polls.feed = stored_polls.feed
    AND changed_polls.place = stored_polls.place
), present AS (
  SELECT DISTINCT
    entity_key
  FROM incoming
), absent AS (
  SELECT
    versions.entity_key
  FROM versions
  INNER JOIN polled
    ON versions.feed = polled.feed AND versions.place = polled.place
  LEFT JOIN present
    ON versions.entity_key = present.entity_key
  WHERE
    present.entity_key IS NULL
    AND versions.valid_from < $window_end
    AND COALESCE(versions.valid_to, CAST('9999-12-31' AS TIMESTAMP)) > $window_start
), loaded_by_other_code AS (
  SELECT
    slot_at
  FROM ops.ledger
  WHERE
    asset = $asset AND slot_at = $window_start AND code_version <> $code_version
)
SELECT
  entity_key
FROM unexplained
UNION
SELECT
  entity_key
FROM removed
UNION
SELECT
  entity_key
FROM absent
UNION
SELECT
  present.entity_key
FROM present
CROSS JOIN loaded_by_other_code
UNION
SELECT
  versions.entity_key
FROM versions
INNER JOIN changed_places
  ON versions.feed = changed_places.feed AND versions.place = changed_places.place

-- Generated from sql/dimensions/entity_closing.sql (eb853de3d3b4f1a9) by python -m charging_assets.warehouse.transpile; do not edit.
WITH polls AS (
  SELECT
    slot_at,
    feed,
    place,
    record_count
  FROM warehouse.entity_poll
  WHERE
    entity_type = $entity_type AND slot_at >= $gaps_from AND slot_at < $gaps_to
), usual_counts AS (
  SELECT
    entity_gap.entity_key,
    entity_gap.seen_at,
    MAX(polls.record_count) AS record_count
  FROM entity_gap
  INNER JOIN polls
    ON entity_gap.feed = polls.feed
    AND entity_gap.place = polls.place
    AND DATE_TRUNC('HOUR', entity_gap.seen_at) = DATE_TRUNC('HOUR', polls.slot_at)
  GROUP BY
    entity_gap.entity_key,
    entity_gap.seen_at
), missed_polls AS (
  SELECT
    entity_gap.entity_key,
    entity_gap.seen_at,
    polls.slot_at,
    CASE
      WHEN polls.record_count * 2 >= COALESCE(usual_counts.record_count, 0)
      THEN polls.slot_at
    END AS whole_slot_at
  FROM entity_gap
  INNER JOIN polls
    ON entity_gap.feed = polls.feed
    AND entity_gap.place = polls.place
    AND entity_gap.seen_at < polls.slot_at
    AND COALESCE(entity_gap.next_at, CAST('9999-12-31' AS TIMESTAMP)) > polls.slot_at
  LEFT JOIN usual_counts
    ON entity_gap.entity_key = usual_counts.entity_key
    AND entity_gap.seen_at = usual_counts.seen_at
), absences AS (
  SELECT
    entity_key,
    seen_at,
    COUNT(*) AS poll_count,
    MIN(slot_at) AS closed_at,
    MAX(slot_at) AS last_slot_at,
    COUNT(whole_slot_at) AS whole_count,
    MIN(whole_slot_at) AS first_whole_at,
    MAX(whole_slot_at) AS last_whole_at
  FROM missed_polls
  GROUP BY
    entity_key,
    seen_at
)
SELECT
  entity_key,
  seen_at,
  closed_at
FROM absences
WHERE
  (
    whole_count >= 3
    AND last_whole_at >= (
      CAST(first_whole_at AS TIMESTAMP) + INTERVAL 1 DAY
    )
  )
  OR (
    poll_count >= 3
    AND last_slot_at >= (
      CAST(closed_at AS TIMESTAMP) + INTERVAL 7 DAY
    )
  )

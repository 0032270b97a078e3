-- Generated from sql/checks/fact_poll__matches_staged_polls.sql (66a94290292c8dfd) by python -m charging_assets.warehouse.transpile; do not edit.
WITH staged AS (
  SELECT
    feed,
    place,
    slot_at,
    outcome
  FROM staging.flat_polls
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
), facts AS (
  SELECT
    feed,
    place,
    slot_at,
    outcome
  FROM warehouse.fact_poll
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
)
SELECT
  COALESCE(staged.feed, facts.feed) AS feed,
  COALESCE(staged.place, facts.place) AS place,
  COALESCE(staged.slot_at, facts.slot_at) AS slot_at,
  staged.outcome AS staged_outcome,
  facts.outcome AS fact_outcome
FROM staged
FULL OUTER JOIN facts
  ON staged.feed = facts.feed
  AND staged.place = facts.place
  AND staged.slot_at = facts.slot_at
WHERE
  COALESCE(staged.outcome, '') <> COALESCE(facts.outcome, '')
ORDER BY
  feed,
  place,
  slot_at

-- Generated from sql/checks/staged_tables__no_new_reject_code.sql (f7a74b33a39f1343) by python -m charging_assets.warehouse.transpile; do not edit.
WITH past_codes AS (
  SELECT DISTINCT
    feed,
    entity,
    code
  FROM ops.flat_rejects
  WHERE
    slot_at >= $past_start AND slot_at < $window_start
), polled_feeds AS (
  SELECT DISTINCT
    feed
  FROM warehouse.fact_poll
  WHERE
    slot_at >= $past_start AND slot_at < $window_start
)
SELECT
  rejects.feed,
  rejects.entity,
  rejects.code,
  CAST(SUM(rejects.reject_count) AS BIGINT) AS reject_count,
  COUNT(DISTINCT rejects.place) AS place_count,
  MIN(rejects.place) AS first_place,
  MIN(rejects.pointer) AS pointer,
  MIN(rejects.fragment) AS fragment,
  MIN(rejects.raw_key) AS raw_key
FROM ops.flat_rejects AS rejects
INNER JOIN polled_feeds
  ON rejects.feed = polled_feeds.feed
LEFT JOIN past_codes
  ON rejects.feed = past_codes.feed
  AND rejects.entity = past_codes.entity
  AND rejects.code = past_codes.code
WHERE
  rejects.slot_at >= $window_start
  AND rejects.slot_at < $window_end
  AND past_codes.code IS NULL
GROUP BY
  rejects.feed,
  rejects.entity,
  rejects.code
ORDER BY
  reject_count DESC NULLS FIRST,
  rejects.feed ASC,
  rejects.entity ASC,
  rejects.code ASC

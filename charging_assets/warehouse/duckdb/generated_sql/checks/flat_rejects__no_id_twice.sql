-- Generated from sql/checks/flat_rejects__no_id_twice.sql (a886a8b2f37cc71d) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  feed,
  place,
  entity,
  entity_id,
  CAST(SUM(flat_rejects.reject_count) AS BIGINT) AS reject_count,
  MIN(pointer) AS pointer,
  MIN(raw_key) AS raw_key
FROM ops.flat_rejects
WHERE
  slot_at >= $window_start AND slot_at < $window_end AND code = 'duplicate_key'
GROUP BY
  feed,
  place,
  entity,
  entity_id
ORDER BY
  reject_count DESC NULLS FIRST,
  feed ASC,
  place ASC,
  entity ASC,
  entity_id ASC

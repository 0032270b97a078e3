-- Generated from sql/checks/staged_tables__no_two_ids_share_a_key.sql (7841fd7a117a4d5b) by python -m charging_assets.warehouse.transpile; do not edit.
WITH claims AS (
  SELECT
    entity_type,
    entity_key,
    identity_hash,
    MIN(entity_id) AS entity_id,
    MIN(slot_at) AS first_at
  FROM ops.key_conflict
  GROUP BY
    entity_type,
    entity_key,
    identity_hash
), ranked AS (
  SELECT
    entity_type,
    entity_key,
    entity_id,
    first_at,
    ROW_NUMBER() OVER (PARTITION BY entity_type, entity_key ORDER BY first_at, entity_id, identity_hash) AS claim_rank
  FROM claims
)
SELECT
  conflicts.entity_type,
  conflicts.entity_id AS rejected_id,
  ranked.entity_id AS loaded_id,
  ranked.first_at AS loaded_since,
  conflicts.slot_at
FROM ops.key_conflict AS conflicts
INNER JOIN ranked
  ON conflicts.entity_type = ranked.entity_type
  AND conflicts.entity_key = ranked.entity_key
  AND ranked.claim_rank = 1
WHERE
  conflicts.is_rejected
  AND conflicts.slot_at >= $window_start
  AND conflicts.slot_at < $window_end
ORDER BY
  conflicts.entity_type ASC,
  conflicts.entity_id ASC,
  conflicts.slot_at ASC,
  conflicts.entity_key ASC

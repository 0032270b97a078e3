-- Generated from sql/staging/key_claim.sql (69244da207691db6) by python -m charging_assets.warehouse.transpile; do not edit.
WITH claims AS (
  SELECT
    entity_type,
    entity_key,
    identity_hash,
    MIN(entity_id) AS entity_id,
    MIN(slot_at) AS first_at
  FROM ops.key_conflict
  WHERE
    entity_key IN (
      SELECT
        contested_key.entity_key
      FROM contested_key
    )
  GROUP BY
    entity_type,
    entity_key,
    identity_hash
)
SELECT
  entity_type,
  entity_key,
  identity_hash,
  ROW_NUMBER() OVER (PARTITION BY entity_type, entity_key ORDER BY first_at, entity_id, identity_hash) AS claim_rank
FROM claims

-- Generated from sql/staging/conflicting_hour.sql (483cb357d76e2c24) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT DISTINCT
  DATE_TRUNC('HOUR', conflicts.slot_at) AS slot_at
FROM ops.key_conflict AS conflicts
INNER JOIN key_claim
  ON conflicts.entity_type = key_claim.entity_type
  AND conflicts.entity_key = key_claim.entity_key
  AND conflicts.identity_hash = key_claim.identity_hash
WHERE
  (
    conflicts.slot_at < $window_start OR conflicts.slot_at >= $window_end
  )
  AND (
    (
      key_claim.claim_rank = 1 AND conflicts.is_rejected
    )
    OR (
      key_claim.claim_rank > 1 AND NOT conflicts.is_rejected
    )
  )

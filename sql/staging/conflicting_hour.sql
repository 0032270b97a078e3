-- Grain: one row per other hour that was staged with another owner of a key: it has records of an
-- id that does not own the key, or rejects of the id that does.
-- Scope: the keys in key_claim; slots outside of [:window_start, :window_end).
SELECT DISTINCT DATE_TRUNC('hour', conflicts.slot_at) AS slot_at
FROM ops.key_conflict AS conflicts
INNER JOIN key_claim
    ON
        conflicts.entity_type = key_claim.entity_type
        AND conflicts.entity_key = key_claim.entity_key
        AND conflicts.identity_hash = key_claim.identity_hash
WHERE
    (
        conflicts.slot_at < :window_start
        OR conflicts.slot_at >= :window_end
    )
    AND (
        (key_claim.claim_rank = 1 AND conflicts.is_rejected)
        OR (key_claim.claim_rank > 1 AND NOT conflicts.is_rejected)
    );

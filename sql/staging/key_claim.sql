-- Grain: one row per id of a contested key, ranked by its first publication: claim_rank 1 owns the
-- key. Of ids first published in the same slot the smaller one ranks first, as in flattening.
-- Scope: the keys in contested_key, all hours.
WITH claims AS (
    SELECT
        entity_type,
        entity_key,
        identity_hash,
        MIN(entity_id) AS entity_id,
        MIN(slot_at) AS first_at
    FROM ops.key_conflict
    WHERE entity_key IN (SELECT contested_key.entity_key FROM contested_key)
    GROUP BY entity_type, entity_key, identity_hash
)

SELECT
    entity_type,
    entity_key,
    identity_hash,
    ROW_NUMBER() OVER (
        PARTITION BY entity_type, entity_key
        ORDER BY first_at, entity_id, identity_hash
    ) AS claim_rank
FROM claims;

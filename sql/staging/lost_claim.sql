-- Grain: one row per hour and id whose records are staged although their key belongs to another id,
-- of the highest entity level that has any, since rejecting a station also rejects its EVSEs.
-- Scope: the keys in key_claim; slots in [:window_start, :window_end).
WITH lost AS (
    SELECT
        DATE_TRUNC('hour', conflicts.slot_at) AS hour_at,
        conflicts.entity_type,
        conflicts.entity_key,
        conflicts.identity_hash,
        CASE conflicts.entity_type
            WHEN 'station' THEN 1
            WHEN 'evse' THEN 2
            ELSE 3
        END AS entity_level
    FROM ops.key_conflict AS conflicts
    INNER JOIN key_claim
        ON
            conflicts.entity_type = key_claim.entity_type
            AND conflicts.entity_key = key_claim.entity_key
            AND conflicts.identity_hash = key_claim.identity_hash
    WHERE
        conflicts.slot_at >= :window_start
        AND conflicts.slot_at < :window_end
        AND NOT conflicts.is_rejected
        AND key_claim.claim_rank > 1
),

highest AS (
    SELECT MIN(entity_level) AS entity_level FROM lost
)

SELECT
    lost.hour_at,
    lost.entity_type,
    lost.entity_key,
    lost.identity_hash
FROM lost
INNER JOIN highest
    ON lost.entity_level = highest.entity_level;

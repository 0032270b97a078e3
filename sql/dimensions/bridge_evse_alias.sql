-- Grain: one row per EVSE, former identity and time at which it changed.
-- Scope: the EVSEs in affected_alias.
SELECT
    evse_key,
    feed,
    place,
    evse_uid,
    evse_id,
    former_evse_key,
    former_evse_uid,
    former_evse_id,
    changed_at,
    reason,
    is_guess
FROM new_alias
WHERE evse_key IN (SELECT affected_alias.entity_key FROM affected_alias);

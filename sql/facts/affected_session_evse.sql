-- Grain: one row per EVSE whose charging sessions an hour can change: it has an affected session,
-- or it is CHARGING in or near the hour.
-- Scope: the sessions in affected_session; slots in [:near_start, :near_end).
SELECT affected_session.evse_key AS entity_key
FROM affected_session
UNION
SELECT evse_key AS entity_key
FROM warehouse.fact_status
WHERE
    slot_at >= :near_start
    AND slot_at < :near_end
    AND status = 'CHARGING';

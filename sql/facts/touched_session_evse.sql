-- Grain: one row per EVSE whose charging sessions an hour can change: it has a session that reaches
-- or comes near the hour, or whose idle time may, or it is CHARGING in or near it. Idle time begins
-- within five hours of a session and is counted for a day, to the end of a run of at most an hour.
-- Scope: slots in [:near_start, :near_end), the hour and six hours on either side; sessions that
-- began since :oldest_start, since none lasts longer than a week.
SELECT evse_key AS entity_key
FROM warehouse.fact_charging_session
WHERE
    slot_at >= :oldest_start
    AND slot_at < :near_end
    AND DATEADD('hour', CASE WHEN idle_after_s > 0 THEN 30 ELSE 0 END, last_slot_at) >= :near_start
UNION
SELECT evse_key AS entity_key
FROM warehouse.fact_status
WHERE
    slot_at >= :near_start
    AND slot_at < :near_end
    AND status = 'CHARGING';

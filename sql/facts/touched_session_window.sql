-- Grain: one row: the hour from which on touched sessions begin, :near_start at the latest.
-- Scope: the EVSEs in touched_evse, sessions that began in [:oldest_start, :near_end).
SELECT COALESCE(DATE_TRUNC('hour', MIN(starts.slot_at)), :near_start) AS starts_from
FROM (
    SELECT slot_at
    FROM warehouse.fact_charging_session
    WHERE
        slot_at >= :oldest_start
        AND slot_at < :near_end
        AND evse_key IN (SELECT touched_evse.entity_key FROM touched_evse)
        AND DATEADD(
            'hour', CASE WHEN idle_after_s > 0 THEN 30 ELSE 0 END, last_slot_at
        ) >= :near_start
    UNION ALL
    SELECT CAST(:near_start AS TIMESTAMP) AS slot_at
) AS starts;

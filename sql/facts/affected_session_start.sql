-- Grain: one row: the first hour in which affected sessions begin, :near_start at the latest.
-- Scope: the sessions in affected_session.
SELECT
    LEAST(
        COALESCE(DATE_TRUNC('hour', MIN(affected_session.slot_at)), CAST(:near_start AS TIMESTAMP)),
        CAST(:near_start AS TIMESTAMP)
    ) AS starts_from
FROM affected_session;

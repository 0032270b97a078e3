-- Grain: one row: the first hour in which affected sessions begin, :near_start at the latest.
-- Scope: the sessions in touched_session.
SELECT
    LEAST(
        COALESCE(DATE_TRUNC('hour', MIN(touched_session.slot_at)), CAST(:near_start AS TIMESTAMP)),
        CAST(:near_start AS TIMESTAMP)
    ) AS starts_from
FROM touched_session;

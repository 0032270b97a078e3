-- Grain: one row: the first hour in which affected sessions begin, :near_start at the latest, and
-- from when runs are read that a session of that hour can be linked to, :near_s seconds before.
-- Scope: the sessions in affected_session.
WITH starts AS (
    SELECT
        LEAST(
            COALESCE(
                DATE_TRUNC('hour', MIN(affected_session.slot_at)), CAST(:near_start AS TIMESTAMP)
            ),
            CAST(:near_start AS TIMESTAMP)
        ) AS starts_from
    FROM affected_session
)

SELECT
    starts_from,
    DATEADD('second', -CAST(:near_s AS INTEGER), starts_from) AS runs_from
FROM starts;

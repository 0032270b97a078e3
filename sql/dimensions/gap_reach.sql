-- Grain: one row: the time range of the polls of absences; an empty range if there are none.
-- Scope: the absences in entity_gap.
SELECT
    COALESCE(
        DATE_TRUNC('hour', MIN(seen_at)), TIMESTAMP '9999-12-31'
    ) AS gaps_from,
    COALESCE(
        MAX(COALESCE(next_at, TIMESTAMP '9999-12-31')), TIMESTAMP '1970-01-01'
    ) AS gaps_to
FROM entity_gap;

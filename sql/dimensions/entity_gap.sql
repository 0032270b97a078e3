-- Grain: one row per entity and absence of over a day: from a row of entity_boundary until the next
-- one (null if there is none).
-- Scope: the rows of entity_boundary, except for those after the hour.
WITH boundaries_with_next AS (
    SELECT
        entity_key,
        feed,
        place,
        seen_at,
        is_after,
        LEAD(seen_at) OVER (PARTITION BY entity_key ORDER BY seen_at) AS next_at
    FROM entity_boundary
)

SELECT
    entity_key,
    feed,
    place,
    seen_at,
    next_at
FROM boundaries_with_next
WHERE
    is_after = 0
    AND (next_at IS NULL OR next_at > DATEADD('day', 1, seen_at));

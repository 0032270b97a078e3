-- Grain: one row per version of an entity that begins before the one before it has ended, or that
-- leaves a gap after it though it has not disappeared, among the entities seen in the hour.
-- Scope: entities of :entity_type seen in [:window_start, :window_end).
WITH seen AS (
    SELECT DISTINCT
        entity_type,
        entity_key
    FROM warehouse.entity_sighting
    WHERE
        entity_type = :entity_type
        AND slot_at >= :window_start
        AND slot_at < :window_end
),

versions AS (
    SELECT
        held.entity_type,
        held.entity_key,
        held.valid_from,
        held.valid_to,
        held.close_reason,
        LEAD(held.valid_from) OVER (
            PARTITION BY held.entity_type, held.entity_key ORDER BY held.valid_from
        ) AS next_valid_from
    FROM warehouse.entity_version AS held
    INNER JOIN seen
        ON
            held.entity_type = seen.entity_type
            AND held.entity_key = seen.entity_key
)

SELECT
    entity_type,
    entity_key,
    valid_from,
    valid_to,
    next_valid_from
FROM versions
WHERE
    COALESCE(valid_to, TIMESTAMP '9999-12-31') > COALESCE(next_valid_from, TIMESTAMP '9999-12-31')
    OR (
        COALESCE(close_reason, '') <> 'disappeared'
        AND COALESCE(valid_to, TIMESTAMP '9999-12-31')
        <> COALESCE(next_valid_from, TIMESTAMP '9999-12-31')
    );

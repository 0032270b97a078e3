-- Grain: one row: the time range that contains the observations next to the hour.
-- Nearly always this is 25 hours before and after the hour. An entity that was not observed then
-- was last observed after its version of that time began, unless that version has ended; its next
-- observation may be at any later time.
-- Scope: the entities of :entity_type in affected_entity; slots of the hour are in
-- [:window_start, :window_end); :newest_at is the newest hour loaded.
WITH near AS (
    SELECT
        entity_key,
        MAX(CASE WHEN slot_at < :window_start THEN 1 ELSE 0 END) AS is_before,
        MAX(CASE WHEN slot_at >= :window_end THEN 1 ELSE 0 END) AS is_after
    FROM warehouse.entity_observation
    WHERE
        entity_type = :entity_type
        AND slot_at >= DATEADD('hour', -25, CAST(:window_start AS TIMESTAMP))
        AND slot_at < DATEADD('hour', 25, CAST(:window_end AS TIMESTAMP))
        AND entity_key IN (SELECT affected_entity.entity_key FROM affected_entity)
    GROUP BY entity_key
),

latest AS (
    SELECT
        entity_key,
        valid_from,
        seen_until,
        ROW_NUMBER() OVER (PARTITION BY entity_key ORDER BY valid_from DESC) AS age_rank
    FROM previous_version
    WHERE valid_from < :window_start
),

before_hour AS (
    SELECT MIN(latest.valid_from) AS far_from
    FROM latest
    LEFT JOIN near
        ON
            latest.entity_key = near.entity_key
            AND near.is_before = 1
    WHERE
        latest.age_rank = 1
        AND near.entity_key IS NULL
        AND COALESCE(latest.seen_until, TIMESTAMP '9999-12-31') >= :window_start
),

after_hour AS (
    SELECT COUNT(*) AS far_count
    FROM affected_entity
    LEFT JOIN near
        ON
            affected_entity.entity_key = near.entity_key
            AND near.is_after = 1
    WHERE near.entity_key IS NULL
)

SELECT
    LEAST(
        DATEADD('hour', -25, CAST(:window_start AS TIMESTAMP)),
        COALESCE(before_hour.far_from, CAST(:window_start AS TIMESTAMP))
    ) AS reach_from,
    CASE
        WHEN
            after_hour.far_count > 0
            AND :newest_at >= DATEADD('hour', 24, CAST(:window_end AS TIMESTAMP))
            THEN DATEADD('hour', 1, CAST(:newest_at AS TIMESTAMP))
        ELSE DATEADD('hour', 25, CAST(:window_end AS TIMESTAMP))
    END AS reach_to
FROM before_hour
CROSS JOIN after_hour;

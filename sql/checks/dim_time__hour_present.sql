-- Grain: one row per time zone that was polled in the hour and has no row in dim_time, or a row
-- whose local time does not match its offset.
-- Scope: slots in [:window_start, :window_end).
WITH polled AS (
    SELECT DISTINCT time_zone
    FROM warehouse.fact_poll
    WHERE
        slot_at >= :window_start
        AND slot_at < :window_end
),

stored AS (
    SELECT
        time_zone,
        slot_at,
        local_at,
        utc_offset_min
    FROM warehouse.dim_time
    WHERE
        slot_at >= :window_start
        AND slot_at < :window_end
)

SELECT
    polled.time_zone,
    stored.slot_at,
    stored.local_at,
    stored.utc_offset_min
FROM polled
LEFT JOIN stored ON polled.time_zone = stored.time_zone
WHERE
    stored.slot_at IS NULL
    OR DATEDIFF(MINUTE, stored.slot_at, stored.local_at) <> stored.utc_offset_min
    OR ABS(stored.utc_offset_min) > 840
ORDER BY polled.time_zone;

-- Grain: one row per time zone that was polled in the hour and has no row of it, or one that says a
-- local time which is not that of its offset.
-- Scope: slots in [:window_start, :window_end).
WITH polled AS (
    SELECT DISTINCT time_zone
    FROM warehouse.fact_poll
    WHERE
        slot_at >= :window_start
        AND slot_at < :window_end
),

known AS (
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
    known.slot_at,
    known.local_at,
    known.utc_offset_min
FROM polled
LEFT JOIN known ON polled.time_zone = known.time_zone
WHERE
    known.slot_at IS NULL
    OR DATEDIFF(MINUTE, known.slot_at, known.local_at) <> known.utc_offset_min
    OR ABS(known.utc_offset_min) > 840
ORDER BY polled.time_zone;

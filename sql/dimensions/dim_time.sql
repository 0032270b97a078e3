-- Grain: one row per UTC hour and time zone of a feed that was polled in it.
-- Scope: slots in [:window_start, :window_end), whole hours.
WITH hours AS (
    SELECT DISTINCT
        time_zone,
        DATE_TRUNC('hour', slot_at) AS slot_at
    FROM warehouse.fact_poll
    WHERE
        slot_at >= :window_start
        AND slot_at < :window_end
),

local_hours AS (
    SELECT
        slot_at,
        time_zone,
        CONVERT_TIMEZONE('UTC', time_zone, slot_at) AS local_at,
        CONVERT_TIMEZONE('UTC', time_zone, DATEADD('hour', -1, slot_at)) AS local_before
    FROM hours
)

SELECT
    slot_at,
    time_zone,
    local_at,
    DATE_TRUNC('day', local_at) AS local_date,
    CAST(DATE_PART('hour', local_at) AS SMALLINT) AS local_hour,
    CAST(
        CASE WHEN DATE_PART('dow', local_at) = 0 THEN 7 ELSE DATE_PART('dow', local_at) END
        AS SMALLINT
    ) AS weekday,
    CAST(DATEDIFF('minute', slot_at, local_at) AS SMALLINT) AS utc_offset_min,
    CAST(
        CASE
            WHEN DATE_TRUNC('hour', local_at) = DATE_TRUNC('hour', local_before) THEN 1
            ELSE 0
        END AS SMALLINT
    ) AS fold
FROM local_hours;

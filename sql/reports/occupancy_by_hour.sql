-- Grain: one row per local hour of day of the feed: observed, operable and occupied EVSE time.
-- Each good poll stands for one cadence. Operable is AVAILABLE, CHARGING, RESERVED or BLOCKED,
-- occupied all of these but AVAILABLE. An EVSE that two places publish counts in the first by name.
-- Scope: slots in [:window_start, :window_end) of :feed.
WITH observed AS (
    SELECT
        runs.status,
        polls.cadence_s,
        DATE_PART(
            'hour', CONVERT_TIMEZONE('UTC', polls.time_zone, polls.slot_at)
        ) AS local_hour,
        ROW_NUMBER() OVER (
            PARTITION BY runs.evse_key, polls.slot_at ORDER BY runs.place
        ) AS place_rank
    FROM warehouse.fact_status AS runs
    INNER JOIN warehouse.fact_poll AS polls
        ON
            runs.feed = polls.feed
            AND runs.place = polls.place
            -- A run ends with its hour; said as an equality, it lets engines hash the join.
            AND DATE_TRUNC('hour', runs.slot_at) = DATE_TRUNC('hour', polls.slot_at)
            AND runs.first_slot_at <= polls.slot_at
            AND runs.last_slot_at >= polls.slot_at
    WHERE
        runs.feed = :feed
        AND runs.slot_at >= :window_start
        AND runs.slot_at < :window_end
        AND polls.outcome = 'ok'
),

summed AS (
    SELECT
        CAST(local_hour AS INTEGER) AS local_hour,
        SUM(cadence_s) AS observed_s,
        SUM(
            CASE
                WHEN status IN ('AVAILABLE', 'CHARGING', 'RESERVED', 'BLOCKED') THEN cadence_s
                ELSE 0
            END
        ) AS operable_s,
        SUM(
            CASE WHEN status IN ('CHARGING', 'RESERVED', 'BLOCKED') THEN cadence_s ELSE 0 END
        ) AS occupied_s
    FROM observed
    WHERE place_rank = 1
    GROUP BY local_hour
)

SELECT
    local_hour,
    CAST(observed_s AS BIGINT) AS observed_s,
    CAST(operable_s AS BIGINT) AS operable_s,
    CAST(occupied_s AS BIGINT) AS occupied_s,
    CAST(occupied_s AS DOUBLE PRECISION) / NULLIF(operable_s, 0) AS occupancy
FROM summed
ORDER BY local_hour;

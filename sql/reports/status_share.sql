-- Grain: one row per status: EVSE time observed in it. NULL is a status that was not understood.
-- Each good poll stands for one cadence. An EVSE that two places publish counts in the first by
-- name.
-- Scope: slots in [:window_start, :window_end) of :feed.
WITH observed AS (
    SELECT
        runs.status,
        polls.cadence_s,
        ROW_NUMBER() OVER (
            PARTITION BY runs.evse_key, polls.slot_at ORDER BY runs.place
        ) AS place_rank
    FROM warehouse.fact_status AS runs
    INNER JOIN warehouse.fact_poll AS polls
        ON
            runs.feed = polls.feed
            AND runs.place = polls.place
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
        status,
        SUM(cadence_s) AS observed_s
    FROM observed
    WHERE place_rank = 1
    GROUP BY status
)

SELECT
    status,
    CAST(observed_s AS BIGINT) AS observed_s,
    CAST(observed_s AS DOUBLE PRECISION) / NULLIF(SUM(observed_s) OVER (), 0) AS observed_share
FROM summed
ORDER BY observed_s DESC, status ASC;

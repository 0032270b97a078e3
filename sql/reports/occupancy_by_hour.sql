-- Grain: one row per local hour of day of the feed: observed, operable and occupied EVSE time.
-- Sums of mart_evse_hour, which says what operable and occupied are.
-- Scope: slots in [:window_start, :window_end), whole hours, of :feed.
WITH zones AS (
    SELECT
        feed,
        MAX(time_zone) AS time_zone
    FROM warehouse.fact_poll
    WHERE
        feed = :feed
        AND slot_at >= :window_start
        AND slot_at < :window_end
    GROUP BY feed
),

hours AS (
    SELECT
        evse_hours.*,
        CAST(
            DATE_PART('hour', CONVERT_TIMEZONE('UTC', zones.time_zone, evse_hours.slot_at))
            AS INTEGER
        ) AS local_hour
    FROM mart.mart_evse_hour AS evse_hours
    INNER JOIN zones
        ON evse_hours.feed = zones.feed
    WHERE
        evse_hours.slot_at >= :window_start
        AND evse_hours.slot_at < :window_end
),

summed AS (
    SELECT
        local_hour,
        SUM(observed_s) AS observed_s,
        SUM(available_s + charging_s + reserved_s + blocked_s) AS operable_s,
        SUM(charging_s + reserved_s + blocked_s) AS occupied_s
    FROM hours
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

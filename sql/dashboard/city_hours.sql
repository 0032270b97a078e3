-- Grain: one row per local weekday (1 Monday to 7 Sunday) and hour of day of :feed in :time_zone,
-- filtered by :place and :operator_name unless empty.
-- Hours in which a place was not observed are in city_hour_gaps.
-- Scope: hours in [:window_start, :window_end); now is :now_at, the end of the newest good poll.
WITH hours AS (
    SELECT
        slot_at,
        SUM(observed_s) AS observed_s,
        SUM(operable_s) AS operable_s,
        SUM(charging_s) AS charging_s,
        SUM(
            GREATEST(
                observed_s,
                window_s - evse_count * GREATEST(
                    0,
                    DATEDIFF(
                        'second', CAST(:now_at AS TIMESTAMP), DATEADD('hour', 1, slot_at)
                    )
                )
            )
        ) AS window_s
    FROM mart.city_hour
    WHERE
        feed = :feed
        AND slot_at >= :window_start
        AND slot_at < :window_end
        AND (:place = '' OR place = :place)
        AND (:operator_name = '' OR operator_name = :operator_name)
    GROUP BY slot_at
)

SELECT
    times.weekday,
    times.local_hour,
    COUNT(*) AS hour_count,
    CAST(SUM(hours.observed_s) AS BIGINT) AS observed_s,
    CAST(SUM(hours.operable_s) AS BIGINT) AS operable_s,
    CAST(SUM(hours.charging_s) AS BIGINT) AS charging_s,
    CAST(SUM(hours.window_s) AS BIGINT) AS window_s
FROM hours
INNER JOIN warehouse.dim_time AS times
    ON
        hours.slot_at = times.slot_at
        AND times.time_zone = :time_zone
GROUP BY times.weekday, times.local_hour
ORDER BY times.weekday, times.local_hour;

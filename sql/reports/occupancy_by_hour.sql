-- Grain: one row per local hour of day of the feed: observable, observed, operable and occupied
-- EVSE time, as sums of mart_evse_hour. Hours without observations are in dashboard/city_hour_gaps.
-- Scope: slots in [:window_start, :window_end), whole hours, of :feed; now is :now_at, the end of
-- the newest good poll.
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
)

SELECT
    local_hour,
    CAST(SUM(observed_s) AS BIGINT) AS observed_s,
    CAST(SUM(available_s + charging_s + reserved_s + blocked_s) AS BIGINT) AS operable_s,
    CAST(SUM(available_s) AS BIGINT) AS available_s,
    CAST(
        SUM(
            GREATEST(
                observed_s,
                window_s - GREATEST(
                    0,
                    DATEDIFF(
                        'second', CAST(:now_at AS TIMESTAMP), DATEADD('hour', 1, slot_at)
                    )
                )
            )
        ) AS BIGINT
    ) AS window_s
FROM hours
GROUP BY local_hour
ORDER BY local_hour;

-- Grain: one row per station, the ten with the highest utilisation (CHARGING / operable).
-- Sums of mart_evse_hour, hence EVSEs belong to the station of that hour; name and city are the
-- latest. Left out is a station that was seen in less than 0.8 of what was seen of its place, or
-- operable in less than 0.8 of what was seen.
-- Scope: slots in [:window_start, :window_end), whole hours, of :feed.
WITH place_hours AS (
    SELECT
        place,
        slot_at,
        MAX(observed_s) AS polled_s
    FROM mart.mart_evse_hour
    WHERE
        feed = :feed
        AND slot_at >= :window_start
        AND slot_at < :window_end
    GROUP BY place, slot_at
),

place_time AS (
    SELECT
        place,
        SUM(polled_s) AS polled_s
    FROM place_hours
    GROUP BY place
),

summed AS (
    SELECT
        station_key,
        MIN(place) AS place,
        COUNT(DISTINCT evse_key) AS evse_count,
        SUM(observed_s) AS observed_s,
        SUM(available_s + charging_s + reserved_s + blocked_s) AS operable_s,
        SUM(charging_s) AS charging_s
    FROM mart.mart_evse_hour
    WHERE
        feed = :feed
        AND slot_at >= :window_start
        AND slot_at < :window_end
        AND station_key IS NOT NULL
    GROUP BY station_key
),

named AS (
    SELECT
        station_key,
        name,
        city,
        ROW_NUMBER() OVER (PARTITION BY station_key ORDER BY valid_from DESC) AS version_rank
    FROM warehouse.dim_station
    WHERE valid_from < :window_end
)

SELECT
    summed.station_key,
    named.name,
    named.city,
    summed.place,
    summed.evse_count,
    CAST(summed.charging_s AS BIGINT) AS charging_s,
    CAST(summed.charging_s AS DOUBLE PRECISION) / NULLIF(summed.operable_s, 0) AS utilisation
FROM summed
INNER JOIN place_time
    ON summed.place = place_time.place
LEFT JOIN named
    ON
        summed.station_key = named.station_key
        AND named.version_rank = 1
WHERE
    CAST(summed.observed_s AS DOUBLE PRECISION)
    >= 0.8 * summed.evse_count * place_time.polled_s
    AND CAST(summed.operable_s AS DOUBLE PRECISION) >= 0.8 * summed.observed_s
ORDER BY utilisation DESC, summed.station_key ASC
LIMIT 10;

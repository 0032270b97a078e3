-- Grain: one row per station, the ten with the highest utilisation (CHARGING / operable).
-- Each good poll stands for one cadence; EVSEs belong to the station of that time; name and city
-- are the latest. Left out is a station that was seen in less than 0.8 of its place's good polls,
-- or operable in less than 0.8 of what was seen. An EVSE that two places publish counts in the
-- first by name.
-- Scope: slots in [:window_start, :window_end) of :feed.
WITH observed AS (
    SELECT
        runs.evse_key,
        runs.place,
        runs.status,
        polls.slot_at,
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

place_time AS (
    SELECT
        place,
        SUM(cadence_s) AS polled_s
    FROM warehouse.fact_poll
    WHERE
        feed = :feed
        AND slot_at >= :window_start
        AND slot_at < :window_end
        AND outcome = 'ok'
    GROUP BY place
),

summed AS (
    SELECT
        evses.station_key,
        MIN(observed.place) AS place,
        COUNT(DISTINCT observed.evse_key) AS evse_count,
        SUM(observed.cadence_s) AS observed_s,
        SUM(
            CASE
                WHEN observed.status IN ('AVAILABLE', 'CHARGING', 'RESERVED', 'BLOCKED')
                    THEN observed.cadence_s
                ELSE 0
            END
        ) AS operable_s,
        SUM(
            CASE WHEN observed.status = 'CHARGING' THEN observed.cadence_s ELSE 0 END
        ) AS charging_s
    FROM observed
    INNER JOIN warehouse.dim_evse AS evses
        ON
            observed.evse_key = evses.evse_key
            AND observed.slot_at >= evses.valid_from
            AND (evses.valid_to IS NULL OR observed.slot_at < evses.valid_to)
    WHERE observed.place_rank = 1
    GROUP BY evses.station_key
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

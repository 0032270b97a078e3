-- Grain: one row per feed, place, hour and entity whose records in are not loaded + rejected; and
-- one per feed, place and good poll whose statuses in are not those of the runs (polled status).
-- Statuses in are those received, without rejected ones, and those that a poll left unchanged. Each
-- run has a status in every good poll of its place from its first to its last slot. The number of
-- statuses in a poll is thus the number of runs that began by then, less those that ended before:
-- runs are not joined with polls.
-- Scope: slots in [:window_start, :window_end), whole hours.
WITH polls AS (
    SELECT
        feed,
        place,
        slot_at,
        outcome,
        DATE_TRUNC('hour', slot_at) AS hour_at,
        station_count - station_rejected_count AS stations,
        evse_count - evse_rejected_count AS evses,
        connector_count - connector_rejected_count AS connectors,
        status_count - status_rejected_count + carried_count AS statuses
    FROM staging.flat_polls
    WHERE
        slot_at >= :window_start
        AND slot_at < :window_end
),

hours AS (
    SELECT
        feed,
        place,
        hour_at,
        SUM(stations) AS stations,
        SUM(evses) AS evses,
        SUM(connectors) AS connectors,
        SUM(statuses) AS statuses
    FROM polls
    GROUP BY feed, place, hour_at
),

run_bounds AS (
    SELECT
        feed,
        place,
        slot_at,
        1 AS began,
        0 AS ended
    FROM staging.flat_status
    WHERE
        slot_at >= :window_start
        AND slot_at < :window_end
    UNION ALL
    SELECT
        feed,
        place,
        last_slot_at AS slot_at,
        0 AS began,
        1 AS ended
    FROM staging.flat_status
    WHERE
        slot_at >= :window_start
        AND slot_at < :window_end
),

bounds AS (
    SELECT
        feed,
        place,
        slot_at,
        SUM(began) AS began_count,
        SUM(ended) AS ended_count
    FROM run_bounds
    GROUP BY feed, place, slot_at
),

good_polls AS (
    SELECT
        feed,
        place,
        slot_at,
        statuses
    FROM polls
    WHERE outcome IN ('ok', 'not_modified')
),

polls_with_bounds AS (
    SELECT
        COALESCE(good_polls.feed, bounds.feed) AS feed,
        COALESCE(good_polls.place, bounds.place) AS place,
        COALESCE(good_polls.slot_at, bounds.slot_at) AS slot_at,
        COALESCE(good_polls.statuses, 0) AS statuses,
        COALESCE(bounds.began_count, 0) AS began_count,
        COALESCE(bounds.ended_count, 0) AS ended_count
    FROM good_polls
    FULL OUTER JOIN bounds
        ON
            good_polls.feed = bounds.feed
            AND good_polls.place = bounds.place
            AND good_polls.slot_at = bounds.slot_at
),

covered_polls AS (
    SELECT
        feed,
        place,
        slot_at,
        statuses,
        SUM(began_count - ended_count) OVER (
            PARTITION BY feed, place ORDER BY slot_at ROWS UNBOUNDED PRECEDING
        ) + ended_count AS run_count
    FROM polls_with_bounds
),

expected AS (
    SELECT
        CAST('station' AS VARCHAR(16)) AS entity,
        feed,
        place,
        hour_at AS slot_at,
        stations AS record_count
    FROM hours
    UNION ALL
    SELECT
        CAST('evse' AS VARCHAR(16)) AS entity,
        feed,
        place,
        hour_at AS slot_at,
        evses AS record_count
    FROM hours
    UNION ALL
    SELECT
        CAST('connector' AS VARCHAR(16)) AS entity,
        feed,
        place,
        hour_at AS slot_at,
        connectors AS record_count
    FROM hours
    UNION ALL
    SELECT
        CAST('status' AS VARCHAR(16)) AS entity,
        feed,
        place,
        hour_at AS slot_at,
        statuses AS record_count
    FROM hours
    UNION ALL
    SELECT
        CAST('polled status' AS VARCHAR(16)) AS entity,
        feed,
        place,
        slot_at,
        statuses AS record_count
    FROM covered_polls
),

loaded AS (
    SELECT
        CAST('station' AS VARCHAR(16)) AS entity,
        feed,
        place,
        DATE_TRUNC('hour', slot_at) AS slot_at,
        SUM(poll_count) AS record_count
    FROM staging.flat_stations
    WHERE
        slot_at >= :window_start
        AND slot_at < :window_end
    GROUP BY feed, place, DATE_TRUNC('hour', slot_at)
    UNION ALL
    SELECT
        CAST('evse' AS VARCHAR(16)) AS entity,
        feed,
        place,
        DATE_TRUNC('hour', slot_at) AS slot_at,
        SUM(poll_count) AS record_count
    FROM staging.flat_evses
    WHERE
        slot_at >= :window_start
        AND slot_at < :window_end
    GROUP BY feed, place, DATE_TRUNC('hour', slot_at)
    UNION ALL
    SELECT
        CAST('connector' AS VARCHAR(16)) AS entity,
        feed,
        place,
        DATE_TRUNC('hour', slot_at) AS slot_at,
        SUM(poll_count) AS record_count
    FROM staging.flat_connectors
    WHERE
        slot_at >= :window_start
        AND slot_at < :window_end
    GROUP BY feed, place, DATE_TRUNC('hour', slot_at)
    UNION ALL
    SELECT
        CAST('status' AS VARCHAR(16)) AS entity,
        feed,
        place,
        DATE_TRUNC('hour', slot_at) AS slot_at,
        SUM(poll_count) AS record_count
    FROM staging.flat_status
    WHERE
        slot_at >= :window_start
        AND slot_at < :window_end
    GROUP BY feed, place, DATE_TRUNC('hour', slot_at)
    UNION ALL
    SELECT
        CAST('polled status' AS VARCHAR(16)) AS entity,
        feed,
        place,
        slot_at,
        run_count AS record_count
    FROM covered_polls
)

SELECT
    COALESCE(expected.entity, loaded.entity) AS entity,
    COALESCE(expected.feed, loaded.feed) AS feed,
    COALESCE(expected.place, loaded.place) AS place,
    COALESCE(expected.slot_at, loaded.slot_at) AS slot_at,
    COALESCE(expected.record_count, 0) AS expected_count,
    COALESCE(loaded.record_count, 0) AS loaded_count
FROM expected
FULL OUTER JOIN loaded
    ON
        expected.entity = loaded.entity
        AND expected.feed = loaded.feed
        AND expected.place = loaded.place
        AND expected.slot_at = loaded.slot_at
WHERE COALESCE(expected.record_count, 0) <> COALESCE(loaded.record_count, 0)
ORDER BY entity, feed, place, slot_at;

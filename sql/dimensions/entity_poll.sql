-- Grain: one row per good poll of a place: the number of entities of :entity_type it reported.
-- Every dimension has its own rows, so that observations and polls change in one transaction.
-- Scope: slots in [:window_start, :window_end).
SELECT
    slot_at,
    CAST(:entity_type AS VARCHAR(16)) AS entity_type,
    feed,
    place,
    CAST(
        CASE
            WHEN :entity_type = 'station' THEN station_count - station_rejected_count
            WHEN :entity_type = 'evse' THEN evse_count - evse_rejected_count
            ELSE connector_count - connector_rejected_count
        END AS INTEGER
    ) AS record_count
FROM staging.flat_polls
WHERE
    outcome IN ('ok', 'not_modified')
    AND slot_at >= :window_start
    AND slot_at < :window_end;

-- Grain: one row: the newest good poll of :feed, its time zone and its cadence.
-- Scope: slots in [:window_start, :window_end).
SELECT
    MAX(time_zone) AS time_zone,
    MAX(cadence_s) AS cadence_s,
    MAX(slot_at) AS newest_at
FROM warehouse.fact_poll
WHERE
    feed = :feed
    AND outcome IN ('ok', 'not_modified')
    AND slot_at >= :window_start
    AND slot_at < :window_end;

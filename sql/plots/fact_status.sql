-- Grain: one row per feed, UTC hour and status: the number of polls of EVSEs with the status.
-- Scope: slots in [:window_start, :window_end), whole hours.
SELECT
    feed,
    DATE_TRUNC('hour', slot_at) AS column_at,
    COALESCE(status, 'UNKNOWN') AS series,
    CAST(SUM(poll_count) AS BIGINT) AS amount
FROM warehouse.fact_status
WHERE
    slot_at >= :window_start
    AND slot_at < :window_end
GROUP BY feed, DATE_TRUNC('hour', slot_at), COALESCE(status, 'UNKNOWN')
ORDER BY feed, DATE_TRUNC('hour', slot_at), COALESCE(status, 'UNKNOWN');

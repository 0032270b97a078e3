-- Grain: one row per feed, place and outcome other than a good response.
-- Scope: slots in [:window_start, :window_end).
SELECT
    feed,
    place,
    outcome,
    COUNT(*) AS poll_count,
    MAX(http_status) AS http_status,
    MAX(raw_key) AS raw_key
FROM staging.flat_polls
WHERE
    slot_at >= :window_start
    AND slot_at < :window_end
    AND outcome NOT IN ('ok', 'not_modified')
GROUP BY feed, place, outcome
ORDER BY poll_count DESC, feed ASC, place ASC, outcome ASC;

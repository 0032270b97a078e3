-- Grain: one row per place and outcome of :feed other than a good response.
-- Scope: slots in [:window_start, :window_end).
SELECT
    place,
    outcome,
    COUNT(*) AS answer_count,
    MIN(slot_at) AS first_at,
    MAX(slot_at) AS last_at
FROM warehouse.fact_poll
WHERE
    feed = :feed
    AND outcome NOT IN ('ok', 'not_modified')
    AND slot_at >= :window_start
    AND slot_at < :window_end
GROUP BY place, outcome
ORDER BY COUNT(*) DESC, place, outcome ASC;

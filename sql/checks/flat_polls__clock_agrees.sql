-- Grain: one row per feed and place whose clock differs from ours by more than 15 minutes.
-- Scope: slots in [:window_start, :window_end).
WITH clocks AS (
    SELECT
        feed,
        place,
        slot_at,
        DATEDIFF(SECOND, COALESCE(requested_at, slot_at), observed_at) AS ahead_s
    FROM staging.flat_polls
    WHERE
        slot_at >= :window_start
        AND slot_at < :window_end
        AND observed_at IS NOT NULL
)

SELECT
    feed,
    place,
    MIN(ahead_s) AS least_ahead_s,
    MAX(ahead_s) AS most_ahead_s,
    COUNT(*) AS poll_count
FROM clocks
WHERE ABS(ahead_s) > 900
GROUP BY feed, place
ORDER BY poll_count DESC, feed ASC, place ASC;

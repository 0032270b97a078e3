-- Grain: one row per feed and place with texts that have surplus white space.
-- Scope: slots in [:window_start, :window_end).
SELECT
    feed,
    place,
    MAX(untrimmed_count) AS text_count,
    MIN(untrimmed_example) AS example_text
FROM staging.flat_polls
WHERE
    slot_at >= :window_start
    AND slot_at < :window_end
    AND untrimmed_count > 0
GROUP BY feed, place
ORDER BY text_count DESC, feed ASC, place ASC;

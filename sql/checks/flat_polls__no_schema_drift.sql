-- Grain: one row per feed and set of unknown fields.
-- Scope: slots in [:window_start, :window_end).
SELECT
    feed,
    unknown_fields,
    COUNT(DISTINCT place) AS place_count,
    COUNT(*) AS poll_count,
    MIN(place) AS first_place
FROM staging.flat_polls
WHERE
    slot_at >= :window_start
    AND slot_at < :window_end
    AND unknown_fields IS NOT NULL
    AND unknown_fields <> '[]'
GROUP BY feed, unknown_fields
ORDER BY poll_count DESC, feed ASC, unknown_fields ASC;

-- Grain: one row per feed: its first and its last local day, as UTC instants.
-- Scope: all loaded data.
SELECT
    feed,
    MIN(slot_at) AS first_at,
    MAX(slot_at) AS last_at
FROM mart.mart_city_day
GROUP BY feed
ORDER BY feed;

-- Grain: one row per feed and UTC hour: occupied of operable time, null where less than four
-- fifths was observed.
-- Scope: hours in [:window_start, :window_end).
SELECT
    feed,
    slot_at AS column_at,
    CAST('CHARGING' AS VARCHAR(16)) AS series,
    CASE
        WHEN SUM(observed_s) * 5 >= SUM(window_s) * 4
            THEN
                CAST(SUM(charging_s + reserved_s + blocked_s) AS DOUBLE PRECISION)
                / NULLIF(SUM(available_s + charging_s + reserved_s + blocked_s), 0)
    END AS amount
FROM mart.mart_station_hour
WHERE
    slot_at >= :window_start
    AND slot_at < :window_end
GROUP BY feed, slot_at
ORDER BY feed, slot_at;

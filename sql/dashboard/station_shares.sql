-- Grain: one row per EVSE that stood at station :station_key: its seconds by status.
-- Scope: hours in [:window_start, :window_end).
SELECT
    evse_key,
    CAST(SUM(observed_s) AS BIGINT) AS observed_s,
    CAST(SUM(available_s) AS BIGINT) AS available_s,
    CAST(SUM(charging_s) AS BIGINT) AS charging_s,
    CAST(SUM(reserved_s) AS BIGINT) AS reserved_s,
    CAST(SUM(blocked_s) AS BIGINT) AS blocked_s,
    CAST(SUM(inoperative_s) AS BIGINT) AS inoperative_s,
    CAST(SUM(out_of_order_s) AS BIGINT) AS out_of_order_s,
    CAST(SUM(unknown_s) AS BIGINT) AS unknown_s
FROM mart.mart_evse_hour
WHERE
    station_key = :station_key
    AND slot_at >= :window_start
    AND slot_at < :window_end
GROUP BY evse_key
ORDER BY evse_key;

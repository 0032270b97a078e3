-- Grain: one row per operator of :feed; (not told) where a station names none.
-- Scope: stations that are current.
SELECT
    COALESCE(operator_name, '(not told)') AS operator_name,
    COUNT(*) AS station_count
FROM warehouse.dim_station
WHERE
    feed = :feed
    AND is_current
GROUP BY COALESCE(operator_name, '(not told)')
ORDER BY COALESCE(operator_name, '(not told)');

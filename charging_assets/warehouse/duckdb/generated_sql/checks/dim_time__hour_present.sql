-- Generated from sql/checks/dim_time__hour_present.sql (dbcea826b4794c7b) by python -m charging_assets.warehouse.transpile; do not edit.
WITH polled AS (
  SELECT DISTINCT
    time_zone
  FROM warehouse.fact_poll
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
), stored AS (
  SELECT
    time_zone,
    slot_at,
    local_at,
    utc_offset_min
  FROM warehouse.dim_time
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
)
SELECT
  polled.time_zone,
  stored.slot_at,
  stored.local_at,
  stored.utc_offset_min
FROM polled
LEFT JOIN stored
  ON polled.time_zone = stored.time_zone
WHERE
  stored.slot_at IS NULL
  OR DATE_DIFF('MINUTE', CAST(stored.slot_at AS TIMESTAMP), CAST(stored.local_at AS TIMESTAMP)) <> stored.utc_offset_min
  OR ABS(stored.utc_offset_min) > 840
ORDER BY
  polled.time_zone

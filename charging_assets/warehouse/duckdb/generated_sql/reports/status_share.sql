-- Generated from sql/reports/status_share.sql (f281d6e31f50e47e) by python -m charging_assets.warehouse.transpile; do not edit.
WITH hours AS (
  SELECT
    available_s,
    charging_s,
    reserved_s,
    blocked_s,
    inoperative_s,
    out_of_order_s,
    unknown_s
  FROM mart.mart_evse_hour
  WHERE
    feed = $feed AND slot_at >= $window_start AND slot_at < $window_end
), totals AS (
  SELECT
    CAST('AVAILABLE' AS TEXT(16)) AS status,
    SUM(available_s) AS observed_s
  FROM hours
  UNION ALL
  SELECT
    CAST('CHARGING' AS TEXT(16)) AS status,
    SUM(charging_s) AS observed_s
  FROM hours
  UNION ALL
  SELECT
    CAST('RESERVED' AS TEXT(16)) AS status,
    SUM(reserved_s) AS observed_s
  FROM hours
  UNION ALL
  SELECT
    CAST('BLOCKED' AS TEXT(16)) AS status,
    SUM(blocked_s) AS observed_s
  FROM hours
  UNION ALL
  SELECT
    CAST('INOPERATIVE' AS TEXT(16)) AS status,
    SUM(inoperative_s) AS observed_s
  FROM hours
  UNION ALL
  SELECT
    CAST('OUTOFORDER' AS TEXT(16)) AS status,
    SUM(out_of_order_s) AS observed_s
  FROM hours
  UNION ALL
  SELECT
    CAST('UNKNOWN' AS TEXT(16)) AS status,
    SUM(unknown_s) AS observed_s
  FROM hours
)
SELECT
  status,
  CAST(observed_s AS BIGINT) AS observed_s
FROM totals
WHERE
  observed_s > 0
ORDER BY
  observed_s DESC NULLS FIRST,
  status ASC

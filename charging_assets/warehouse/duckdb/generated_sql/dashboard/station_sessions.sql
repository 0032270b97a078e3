-- Generated from sql/dashboard/station_sessions.sql (885a5b402c04344b) by python -m charging_assets.warehouse.transpile; do not edit.
WITH evses AS (
  SELECT DISTINCT
    evse_key
  FROM warehouse.dim_evse
  WHERE
    station_key = $station_key
)
SELECT
  sessions.evse_key,
  sessions.evse_uid,
  sessions.slot_at,
  sessions.last_slot_at,
  sessions.started_at,
  sessions.ended_at,
  sessions.duration_min_s,
  sessions.duration_s,
  sessions.duration_max_s,
  sessions.idle_after_s,
  sessions.energy_max_kwh,
  sessions.max_power_kw,
  sessions.is_start_censored,
  sessions.is_end_censored,
  sessions.is_stuck
FROM warehouse.fact_charging_session AS sessions
INNER JOIN evses
  ON sessions.evse_key = evses.evse_key
WHERE
  sessions.slot_at >= $window_start AND sessions.slot_at < $window_end
ORDER BY
  sessions.slot_at DESC NULLS FIRST,
  sessions.evse_uid ASC

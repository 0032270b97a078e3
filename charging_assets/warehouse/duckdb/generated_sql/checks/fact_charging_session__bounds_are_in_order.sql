-- Generated from sql/checks/fact_charging_session__bounds_are_in_order.sql (a2547c3bb43e1267) by python -m charging_assets.warehouse.transpile; do not edit.
WITH sessions AS (
  SELECT
    feed,
    evse_uid,
    evse_key,
    slot_at,
    last_slot_at,
    started_after,
    started_before,
    ended_after,
    ended_before,
    duration_min_s,
    duration_max_s,
    LEAD(slot_at) OVER (PARTITION BY feed, evse_key ORDER BY slot_at) AS next_slot_at
  FROM warehouse.fact_charging_session
  WHERE
    slot_at >= $past_start AND slot_at < $window_end AND last_slot_at >= $window_start
)
SELECT
  feed,
  evse_uid,
  slot_at,
  last_slot_at,
  started_after,
  started_before,
  ended_after,
  ended_before,
  next_slot_at
FROM sessions
WHERE
  last_slot_at < slot_at
  OR started_after > started_before
  OR ended_after > ended_before
  OR duration_min_s > duration_max_s
  OR next_slot_at <= last_slot_at
ORDER BY
  feed,
  evse_uid,
  slot_at

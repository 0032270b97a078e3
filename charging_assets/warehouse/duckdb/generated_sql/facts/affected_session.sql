-- Generated from sql/facts/affected_session.sql (3242e301918f2c99) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  evse_key,
  slot_at
FROM warehouse.fact_charging_session
WHERE
  slot_at >= $oldest_start AND slot_at < $near_end AND last_slot_at >= $near_start
UNION ALL
SELECT
  sessions.evse_key,
  sessions.slot_at
FROM warehouse.fact_charging_session AS sessions
LEFT JOIN warehouse.fact_status AS states
  ON sessions.evse_key = states.evse_key
  AND sessions.place = states.place
  AND sessions.last_slot_at < states.slot_at
  AND states.slot_at >= $idle_start
  AND states.slot_at < $near_start
WHERE
  sessions.slot_at >= $oldest_start
  AND sessions.slot_at < $near_end
  AND sessions.last_slot_at < $near_start
  AND sessions.last_slot_at >= $idle_start
  AND sessions.idle_after_s > 0
GROUP BY
  sessions.evse_key,
  sessions.slot_at
HAVING
  MIN(
    CASE
      WHEN COALESCE(states.status, 'UNKNOWN') IN ('BLOCKED', 'UNKNOWN')
      THEN 1
      ELSE 0
    END
  ) = 1

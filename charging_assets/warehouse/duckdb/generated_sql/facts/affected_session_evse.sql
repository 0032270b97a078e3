-- Generated from sql/facts/affected_session_evse.sql (ecf6d26ba61872d0) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  affected_session.evse_key AS entity_key
FROM affected_session
UNION
SELECT
  evse_key AS entity_key
FROM warehouse.fact_status
WHERE
  slot_at >= $near_start AND slot_at < $near_end AND status = 'CHARGING'

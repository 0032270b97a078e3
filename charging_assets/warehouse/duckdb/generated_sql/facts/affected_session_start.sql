-- Generated from sql/facts/affected_session_start.sql (c4ad961f8ac20d83) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  LEAST(
    COALESCE(DATE_TRUNC('HOUR', MIN(affected_session.slot_at)), CAST($near_start AS TIMESTAMP)),
    CAST($near_start AS TIMESTAMP)
  ) AS starts_from
FROM affected_session

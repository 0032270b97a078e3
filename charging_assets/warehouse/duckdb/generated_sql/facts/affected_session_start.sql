-- Generated from sql/facts/affected_session_start.sql (6dbefd72fc86c0e6) by python -m charging_assets.warehouse.transpile; do not edit.
WITH starts AS (
  SELECT
    LEAST(
      COALESCE(DATE_TRUNC('HOUR', MIN(affected_session.slot_at)), CAST($near_start AS TIMESTAMP)),
      CAST($near_start AS TIMESTAMP)
    ) AS starts_from
  FROM affected_session
)
SELECT
  starts_from,
  CAST(starts_from AS TIMESTAMP) + INTERVAL (-CAST($near_s AS INT)) SECOND AS runs_from
FROM starts

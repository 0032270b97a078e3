-- Generated from sql/dimensions/gap_reach.sql (5507791aecfe277c) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  COALESCE(DATE_TRUNC('HOUR', MIN(seen_at)), CAST('9999-12-31' AS TIMESTAMP)) AS gaps_from,
  COALESCE(
    MAX(COALESCE(next_at, CAST('9999-12-31' AS TIMESTAMP))),
    CAST('1970-01-01' AS TIMESTAMP)
  ) AS gaps_to
FROM entity_gap

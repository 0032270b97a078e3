-- Generated from sql/original/status_chargingpoints.sql (a67be2f0db13546d) by python -m charging_assets.warehouse.transpile; do not edit.
WITH versions AS (
  SELECT
    evse_key,
    evse_id,
    CASE
      WHEN ROW_NUMBER() OVER (PARTITION BY evse_key ORDER BY valid_from) = 1
      THEN CAST('1900-01-01' AS TIMESTAMP)
      ELSE valid_from
    END AS valid_from,
    COALESCE(valid_to, CAST('9999-12-31' AS TIMESTAMP)) AS valid_to
  FROM warehouse.dim_evse
)
SELECT
  runs.evse_key % 4611686018427387904 + DATE_DIFF('SECOND', CAST('2021-01-01' AS TIMESTAMP), CAST(polls.slot_at AS TIMESTAMP)) AS id_status_cp,
  versions.evse_id AS id_chargingpoint,
  CAST(polls.observed_at AS TIMESTAMP) AT TIME ZONE 'UTC' AS query_time,
  runs.status AS status_cp,
  runs.parking_status AS status_parkingsensor
FROM warehouse.fact_status AS runs
INNER JOIN warehouse.fact_poll AS polls
  ON runs.feed = polls.feed
  AND runs.place = polls.place
  AND runs.first_slot_at <= polls.slot_at
  AND runs.last_slot_at >= polls.slot_at
INNER JOIN versions
  ON runs.evse_key = versions.evse_key
  AND polls.slot_at >= versions.valid_from
  AND polls.slot_at < versions.valid_to
WHERE
  polls.feed_kind = 'chargecloud' AND polls.outcome IN ('ok', 'not_modified')

-- Generated from sql/marts/month_to_sum.sql (b204561120fee639) by python -m charging_assets.warehouse.transpile; do not edit.
WITH last_polls AS (
  SELECT
    feed,
    MAX(slot_at) AS slot_at
  FROM warehouse.fact_poll
  WHERE
    outcome IN ('ok', 'not_modified') AND slot_at < $window_start
  GROUP BY
    feed
), polls_before AS (
  SELECT
    polls.feed,
    polls.slot_at,
    MAX(CAST(polls.slot_at AS TIMESTAMP) + INTERVAL (polls.cadence_s) SECOND) AS observed_until
  FROM warehouse.fact_poll AS polls
  INNER JOIN last_polls
    ON polls.feed = last_polls.feed AND polls.slot_at = last_polls.slot_at
  WHERE
    polls.outcome IN ('ok', 'not_modified') AND polls.slot_at < $window_start
  GROUP BY
    polls.feed,
    polls.slot_at
), polled_feeds AS (
  SELECT DISTINCT
    feed
  FROM warehouse.fact_poll
  WHERE
    outcome IN ('ok', 'not_modified') AND slot_at >= $window_start
), last_months AS (
  SELECT
    months.feed,
    MAX(months.slot_at) AS slot_at,
    MAX(polls_before.observed_until) AS observed_until
  FROM mart.mart_operator_month AS months
  INNER JOIN polls_before
    ON months.feed = polls_before.feed AND months.slot_at <= polls_before.slot_at
  GROUP BY
    months.feed
)
SELECT
  LEAST(
    COALESCE(MIN(months.slot_at), CAST($months_from AS TIMESTAMP)),
    CAST($months_from AS TIMESTAMP)
  ) AS months_from
FROM mart.mart_operator_month AS months
INNER JOIN last_months
  ON months.feed = last_months.feed AND months.slot_at = last_months.slot_at
LEFT JOIN polled_feeds
  ON months.feed = polled_feeds.feed
WHERE
  (
    NOT polled_feeds.feed IS NULL AND months.ends_at <= last_months.observed_until
  )
  OR (
    polled_feeds.feed IS NULL AND months.ends_at > last_months.observed_until
  )

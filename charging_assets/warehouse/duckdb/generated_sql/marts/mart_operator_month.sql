-- Generated from sql/marts/mart_operator_month.sql (1a51dde83d10de3f) by python -m charging_assets.warehouse.transpile; do not edit.
WITH zones AS (
  SELECT
    feed,
    MAX(time_zone) AS time_zone
  FROM warehouse.fact_poll
  WHERE
    slot_at >= $months_from
    AND slot_at < (
      CAST($months_to AS TIMESTAMP) + INTERVAL 32 DAY
    )
  GROUP BY
    feed
), last_polls AS (
  SELECT
    feed,
    MAX(slot_at) AS slot_at
  FROM warehouse.fact_poll
  WHERE
    outcome IN ('ok', 'not_modified') AND slot_at >= $months_from
  GROUP BY
    feed
), newest AS (
  SELECT
    polls.feed,
    MAX(CAST(polls.slot_at AS TIMESTAMP) + INTERVAL (polls.cadence_s) SECOND) AS observed_until
  FROM warehouse.fact_poll AS polls
  INNER JOIN last_polls
    ON polls.feed = last_polls.feed AND polls.slot_at = last_polls.slot_at
  WHERE
    polls.outcome IN ('ok', 'not_modified') AND polls.slot_at >= $months_from
  GROUP BY
    polls.feed
), days AS (
  SELECT
    station_days.*,
    zones.time_zone,
    COALESCE(station_days.operator_name, '(not stated)') AS operator,
    DATE_TRUNC('MONTH', station_days.local_date) AS local_month
  FROM mart.mart_station_day AS station_days
  INNER JOIN zones
    ON station_days.feed = zones.feed
  WHERE
    station_days.slot_at >= $months_from
    AND station_days.slot_at < (
      CAST($months_to AS TIMESTAMP) + INTERVAL 32 DAY
    )
), months AS (
  SELECT
    month_days.feed,
    month_days.local_month,
    month_days.month_from,
    LEAST(month_days.month_to, newest.observed_until) AS ends_at
  FROM (
    SELECT
      feed,
      local_month,
      CAST(local_month AS TIMESTAMP) AT TIME ZONE MAX(time_zone) AT TIME ZONE 'UTC' AS month_from,
      CAST(CAST(local_month AS TIMESTAMP) + INTERVAL 1 MONTH AS TIMESTAMP) AT TIME ZONE MAX(time_zone) AT TIME ZONE 'UTC' AS month_to
    FROM days
    GROUP BY
      feed,
      local_month
  ) AS month_days
  INNER JOIN newest
    ON month_days.feed = newest.feed
), observed_days AS (
  SELECT
    places.feed,
    places.place,
    places.local_date,
    months.month_from,
    months.ends_at AS month_ends_at,
    places.day_from,
    places.day_to,
    LAG(places.day_from) OVER (
      PARTITION BY places.feed, places.place, places.local_month
      ORDER BY places.day_from
    ) AS day_before,
    LEAD(places.day_from) OVER (
      PARTITION BY places.feed, places.place, places.local_month
      ORDER BY places.day_from
    ) AS next_day
  FROM (
    SELECT
      feed,
      place,
      local_month,
      local_date,
      MIN(slot_at) AS day_from,
      MAX(ends_at) AS day_to
    FROM days
    GROUP BY
      feed,
      place,
      local_month,
      local_date
  ) AS places
  INNER JOIN months
    ON places.feed = months.feed AND places.local_month = months.local_month
), missing_days AS (
  SELECT
    feed,
    place,
    local_date,
    GREATEST(
      0,
      DATE_DIFF('SECOND', CAST(month_ends_at AS TIMESTAMP), CAST(day_to AS TIMESTAMP))
    ) AS to_come_s,
    GREATEST(
      0,
      DATE_DIFF(
        'SECOND',
        CAST(day_to AS TIMESTAMP),
        CAST(COALESCE(next_day, month_ends_at) AS TIMESTAMP)
      )
    ) + CASE
      WHEN day_before IS NULL
      THEN DATE_DIFF('SECOND', CAST(month_from AS TIMESTAMP), CAST(day_from AS TIMESTAMP))
      ELSE 0
    END AS missing_s
  FROM observed_days
), by_station AS (
  SELECT
    feed,
    operator,
    local_month,
    station_key,
    MAX(evse_count) AS evse_count
  FROM days
  GROUP BY
    feed,
    operator,
    local_month,
    station_key
), operator_sizes AS (
  SELECT
    feed,
    operator,
    local_month,
    COUNT(*) AS station_count,
    SUM(evse_count) AS evse_count
  FROM by_station
  GROUP BY
    feed,
    operator,
    local_month
), totals AS (
  SELECT
    days.feed,
    days.operator,
    days.local_month,
    COUNT(DISTINCT days.local_date) AS day_count,
    SUM(days.observed_s) AS observed_s,
    SUM(days.available_s) AS available_s,
    SUM(days.charging_s) AS charging_s,
    SUM(days.reserved_s) AS reserved_s,
    SUM(days.blocked_s) AS blocked_s,
    SUM(days.inoperative_s) AS inoperative_s,
    SUM(days.out_of_order_s) AS out_of_order_s,
    SUM(days.unknown_s) AS unknown_s,
    SUM(
      CASE
        WHEN missing_days.to_come_s > 0
        THEN GREATEST(days.observed_s, days.window_s - days.evse_count * missing_days.to_come_s)
        ELSE days.window_s
      END + days.evse_count * missing_days.missing_s
    ) AS window_s,
    SUM(days.session_count) AS session_count,
    SUM(days.session_exposure_s) AS session_exposure_s,
    SUM(days.ended_session_count) AS ended_session_count,
    SUM(days.dwell_s) AS dwell_s
  FROM days
  INNER JOIN missing_days
    ON days.feed = missing_days.feed
    AND days.place = missing_days.place
    AND days.local_date = missing_days.local_date
  GROUP BY
    days.feed,
    days.operator,
    days.local_month
), metrics AS (
  SELECT
    totals.*,
    months.month_from,
    months.ends_at,
    available_s + charging_s + reserved_s + blocked_s AS operable_s,
    charging_s + reserved_s + blocked_s AS occupied_s,
    observed_s - inoperative_s - out_of_order_s AS working_s,
    CASE WHEN observed_s * 5 >= window_s * 4 THEN CAST(1 AS DOUBLE) END AS counted,
    CASE WHEN (
      observed_s - unknown_s
    ) * 5 >= observed_s THEN CAST(1 AS DOUBLE) END AS coverage_factor
  FROM totals
  INNER JOIN months
    ON totals.feed = months.feed AND totals.local_month = months.local_month
)
SELECT
  metrics.month_from AS slot_at,
  metrics.local_month,
  metrics.ends_at,
  metrics.feed,
  CAST(metrics.operator AS TEXT(256)) AS operator_name,
  CAST(operator_sizes.station_count AS INT) AS station_count,
  CAST(operator_sizes.evse_count AS INT) AS evse_count,
  CAST(metrics.day_count AS INT) AS day_count,
  CAST(metrics.observed_s AS BIGINT) AS observed_s,
  CAST(metrics.available_s AS BIGINT) AS available_s,
  CAST(metrics.charging_s AS BIGINT) AS charging_s,
  CAST(metrics.reserved_s AS BIGINT) AS reserved_s,
  CAST(metrics.blocked_s AS BIGINT) AS blocked_s,
  CAST(metrics.inoperative_s AS BIGINT) AS inoperative_s,
  CAST(metrics.out_of_order_s AS BIGINT) AS out_of_order_s,
  CAST(metrics.unknown_s AS BIGINT) AS unknown_s,
  CAST(metrics.window_s AS BIGINT) AS window_s,
  LEAST(1.0, CAST(metrics.observed_s AS DOUBLE) / NULLIF(metrics.window_s, 0)) AS coverage,
  metrics.counted * (
    CAST(metrics.charging_s AS DOUBLE) / NULLIF(metrics.operable_s, 0)
  ) AS utilisation,
  metrics.counted * (
    CAST(metrics.occupied_s AS DOUBLE) / NULLIF(metrics.operable_s, 0)
  ) AS occupancy,
  metrics.counted * (
    CAST(metrics.operable_s AS DOUBLE) / NULLIF(metrics.observed_s, 0)
  ) AS availability,
  metrics.counted * metrics.coverage_factor * (
    CAST(metrics.working_s AS DOUBLE) / NULLIF(metrics.observed_s, 0)
  ) AS reliability,
  CAST(metrics.session_count AS INT) AS session_count,
  CAST(metrics.session_exposure_s AS BIGINT) AS session_exposure_s,
  CAST(metrics.ended_session_count AS INT) AS ended_session_count,
  CAST(metrics.dwell_s AS BIGINT) AS dwell_s
FROM metrics
INNER JOIN operator_sizes
  ON metrics.feed = operator_sizes.feed
  AND metrics.operator = operator_sizes.operator
  AND metrics.local_month = operator_sizes.local_month
WHERE
  metrics.month_from >= $months_from AND metrics.month_from < $months_to

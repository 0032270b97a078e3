-- Generated from sql/checks/fact_poll__volume_matches_past_weeks.sql (5e869f65a2afcdca) by python -m charging_assets.warehouse.transpile; do not edit.
WITH hours AS (
  SELECT
    feed,
    place,
    DATE_TRUNC('HOUR', slot_at) AS hour_at,
    SUM(CASE WHEN outcome IN ('ok', 'not_modified') THEN 1 ELSE 0 END) AS poll_count,
    AVG(CASE WHEN outcome IN ('ok', 'not_modified') THEN CAST(evse_count AS DOUBLE) END) AS evse_count
  FROM warehouse.fact_poll
  WHERE
    slot_at >= $past_start
    AND slot_at < $window_end
    AND DATE_DIFF(
      'HOUR',
      CAST(DATE_TRUNC('HOUR', slot_at) AS TIMESTAMP),
      CAST($window_start AS TIMESTAMP)
    ) % 168 = 0
  GROUP BY
    feed,
    place,
    DATE_TRUNC('HOUR', slot_at)
), ranked AS (
  SELECT
    feed,
    place,
    poll_count,
    evse_count,
    COUNT(*) OVER (PARTITION BY feed, place) AS week_count,
    ROW_NUMBER() OVER (PARTITION BY feed, place ORDER BY poll_count) AS poll_rank,
    ROW_NUMBER() OVER (PARTITION BY feed, place ORDER BY evse_count) AS evse_rank
  FROM hours
  WHERE
    hour_at < $window_start AND poll_count > 0
), past AS (
  SELECT
    feed,
    place,
    week_count,
    AVG(
      CASE
        WHEN poll_rank * 2 BETWEEN week_count AND week_count + 2
        THEN CAST(poll_count AS DOUBLE)
      END
    ) AS usual_poll_count,
    AVG(
      CASE WHEN evse_rank * 2 BETWEEN week_count AND week_count + 2 THEN evse_count END
    ) AS usual_evse_count
  FROM ranked
  GROUP BY
    feed,
    place,
    week_count
), present AS (
  SELECT
    feed,
    place,
    poll_count,
    evse_count
  FROM hours
  WHERE
    hour_at >= $window_start
)
SELECT
  past.feed,
  past.place,
  past.week_count,
  past.usual_poll_count,
  COALESCE(present.poll_count, 0) AS poll_count,
  past.usual_evse_count,
  present.evse_count
FROM past
LEFT JOIN present
  ON past.feed = present.feed AND past.place = present.place
WHERE
  past.week_count >= 2
  AND (
    COALESCE(present.poll_count, 0) < past.usual_poll_count * 0.5
    OR present.evse_count < past.usual_evse_count * 0.8
    OR present.evse_count > past.usual_evse_count * 1.25
  )
ORDER BY
  past.feed,
  past.place

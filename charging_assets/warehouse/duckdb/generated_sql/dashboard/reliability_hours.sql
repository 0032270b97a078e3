-- Generated from sql/dashboard/reliability_hours.sql (9bdb23e966e539d8) by python -m charging_assets.warehouse.transpile; do not edit.
WITH place_days AS (
  SELECT
    place,
    local_date,
    MIN(slot_at) AS begins_at,
    MAX(ends_at) AS ends_at
  FROM mart.mart_city_day
  WHERE
    feed = $feed AND local_date >= $from_date AND local_date <= $to_date
  GROUP BY
    place,
    local_date
), neighbours AS (
  SELECT
    place_days.*,
    LAG(begins_at) OVER (PARTITION BY place ORDER BY local_date) AS previous_at,
    LEAD(begins_at) OVER (PARTITION BY place ORDER BY local_date) AS next_at
  FROM place_days
), station_days AS (
  SELECT
    station_key,
    local_date,
    place,
    station_name,
    COALESCE(operator_name, '(not stated)') AS operator_name
  FROM mart.mart_station_day
  WHERE
    feed = $feed
    AND local_date >= $from_date
    AND local_date <= $to_date
    AND (
      $place = '' OR place = $place
    )
    AND (
      $operator_name = '' OR COALESCE(operator_name, '(not stated)') = $operator_name
    )
), digits AS (
  SELECT
    0 AS digit
  UNION ALL
  SELECT
    1 AS digit
  UNION ALL
  SELECT
    2 AS digit
  UNION ALL
  SELECT
    3 AS digit
  UNION ALL
  SELECT
    4 AS digit
  UNION ALL
  SELECT
    5 AS digit
  UNION ALL
  SELECT
    6 AS digit
  UNION ALL
  SELECT
    7 AS digit
  UNION ALL
  SELECT
    8 AS digit
  UNION ALL
  SELECT
    9 AS digit
), numbered AS (
  SELECT
    CAST(DATE_TRUNC('HOUR', CAST($window_start AS TIMESTAMP)) AS TIMESTAMP) + INTERVAL (CAST(thousands.digit * 1000 + hundreds.digit * 100 + tens.digit * 10 + ones.digit AS INT)) HOUR AS hour_at
  FROM digits AS thousands
  CROSS JOIN digits AS hundreds
  CROSS JOIN digits AS tens
  CROSS JOIN digits AS ones
), local_hours AS (
  SELECT
    hour_at,
    CAST(hour_at AS TIMESTAMP) AT TIME ZONE 'UTC' AT TIME ZONE $time_zone AS begins_at
  FROM numbered
  WHERE
    hour_at <= $window_end AND $is_open_only = 1
), clock AS (
  SELECT
    hour_at,
    begins_at,
    CAST(DATE_DIFF(
      'DAY',
      CAST('2000-01-03' AS TIMESTAMP),
      CAST(DATE_TRUNC('DAY', begins_at) AS TIMESTAMP)
    ) % 7 + 1 AS INT) AS weekday,
    CAST(EXTRACT(HOUR FROM begins_at) AS INT) * 60 + CAST(EXTRACT(MINUTE FROM begins_at) AS INT) AS begins_min
  FROM local_hours
), parts AS (
  SELECT
    hour_at,
    weekday,
    begins_min,
    LEAST(begins_min + 60, 1440) AS ends_min
  FROM clock
  UNION ALL
  SELECT
    hour_at,
    CASE WHEN weekday = 7 THEN 1 ELSE weekday + 1 END AS weekday,
    0 AS begins_min,
    begins_min - 1380 AS ends_min
  FROM clock
  WHERE
    begins_min > 1380
), opening AS (
  SELECT
    station_key,
    valid_from,
    COALESCE(valid_to, CAST('9999-12-31' AS TIMESTAMP)) AS valid_to,
    day_number,
    opens_min,
    closes_min,
    MAX(closes_min) OVER (
      PARTITION BY station_key, valid_from, day_number
      ORDER BY opens_min
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS closed_min
  FROM warehouse.bridge_station_opening
  WHERE
    $is_open_only = 1
    AND day_number <= 7
    AND station_key IN (
      SELECT
        station_days.station_key
      FROM station_days
    )
), stretches AS (
  SELECT
    opening.*,
    SUM(CASE WHEN opens_min <= closed_min THEN 0 ELSE 1 END) OVER (
      PARTITION BY station_key, valid_from, day_number
      ORDER BY opens_min
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS stretch_number
  FROM opening
), open_times AS (
  SELECT
    station_key,
    valid_from,
    valid_to,
    day_number,
    MIN(opens_min) AS opens_min,
    MAX(closes_min) AS closes_min
  FROM stretches
  GROUP BY
    station_key,
    valid_from,
    valid_to,
    day_number,
    stretch_number
), lifetimes AS (
  SELECT
    station_key,
    MIN(valid_from) AS first_from,
    MAX(COALESCE(valid_to, CAST('9999-12-31' AS TIMESTAMP))) AS last_to
  FROM warehouse.dim_station
  WHERE
    $is_open_only = 1
    AND station_key IN (
      SELECT
        station_days.station_key
      FROM station_days
    )
  GROUP BY
    station_key
), weekly AS (
  SELECT
    bridge.station_key,
    bridge.valid_from,
    COALESCE(bridge.valid_to, CAST('9999-12-31' AS TIMESTAMP)) AS valid_to,
    COUNT(
      DISTINCT CASE
        WHEN open_times.opens_min = 0 AND open_times.closes_min = 1440
        THEN bridge.day_number
      END
    ) AS whole_day_count
  FROM warehouse.bridge_station_opening AS bridge
  LEFT JOIN open_times
    ON bridge.station_key = open_times.station_key
    AND bridge.valid_from = open_times.valid_from
    AND bridge.day_number = open_times.day_number
  WHERE
    bridge.day_number <= 7
  GROUP BY
    bridge.station_key,
    bridge.valid_from,
    bridge.valid_to
), limited AS (
  SELECT
    weekly.station_key,
    weekly.valid_from,
    CASE
      WHEN weekly.valid_from = lifetimes.first_from
      THEN CAST('1970-01-01' AS TIMESTAMP)
      ELSE weekly.valid_from
    END AS limited_from,
    CASE
      WHEN weekly.valid_to = lifetimes.last_to
      THEN CAST('9999-12-31' AS TIMESTAMP)
      ELSE weekly.valid_to
    END AS limited_to
  FROM weekly
  INNER JOIN lifetimes
    ON weekly.station_key = lifetimes.station_key
  WHERE
    weekly.whole_day_count < 7
), closed_hours AS (
  SELECT
    limited.station_key,
    parts.hour_at
  FROM limited
  INNER JOIN parts
    ON limited.limited_from < (
      CAST(parts.hour_at AS TIMESTAMP) + INTERVAL 1 HOUR
    )
    AND limited.limited_to > parts.hour_at
  LEFT JOIN open_times
    ON limited.station_key = open_times.station_key
    AND limited.valid_from = open_times.valid_from
    AND parts.weekday = open_times.day_number
    AND parts.begins_min >= open_times.opens_min
    AND parts.ends_min <= open_times.closes_min
  WHERE
    open_times.station_key IS NULL
  GROUP BY
    limited.station_key,
    parts.hour_at
), closed_before AS (
  SELECT
    stations.station_key,
    clock.hour_at,
    CASE WHEN closed_hours.hour_at IS NULL THEN 0 ELSE 1 END AS is_closed,
    COUNT(closed_hours.hour_at) OVER (
      PARTITION BY stations.station_key
      ORDER BY clock.hour_at
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) - CASE WHEN closed_hours.hour_at IS NULL THEN 0 ELSE 1 END AS closed_count
  FROM (
    SELECT DISTINCT
      limited.station_key
    FROM limited
  ) AS stations
  CROSS JOIN clock
  LEFT JOIN closed_hours
    ON stations.station_key = closed_hours.station_key
    AND clock.hour_at = closed_hours.hour_at
), hours AS (
  SELECT
    evse_hours.*,
    station_days.local_date,
    station_days.place AS day_place,
    CASE WHEN closed_hours.hour_at IS NULL THEN 1 ELSE 0 END AS is_open,
    ROW_NUMBER() OVER (
      PARTITION BY evse_hours.evse_key, evse_hours.station_key, station_days.local_date
      ORDER BY evse_hours.slot_at ASC
    ) AS hour_rank,
    ROW_NUMBER() OVER (
      PARTITION BY evse_hours.evse_key, evse_hours.station_key, station_days.local_date
      ORDER BY evse_hours.slot_at DESC NULLS FIRST
    ) AS last_rank
  FROM mart.mart_evse_hour AS evse_hours
  INNER JOIN station_days
    ON evse_hours.station_key = station_days.station_key
    AND DATE_TRUNC(
      'DAY',
      CAST(evse_hours.slot_at AS TIMESTAMP) AT TIME ZONE 'UTC' AT TIME ZONE $time_zone
    ) = station_days.local_date
  LEFT JOIN closed_hours
    ON evse_hours.station_key = closed_hours.station_key
    AND evse_hours.slot_at = closed_hours.hour_at
  WHERE
    evse_hours.feed = $feed
    AND evse_hours.slot_at >= $window_start
    AND evse_hours.slot_at < $window_end
    AND (
      $min_power_kw = 0 OR evse_hours.max_power_kw >= $min_power_kw
    )
), evse_days AS (
  SELECT
    evse_key,
    station_key,
    local_date,
    MAX(day_place) AS day_place,
    MAX(CASE WHEN hour_rank = 1 THEN place END) AS first_place,
    MAX(CASE WHEN last_rank = 1 THEN place END) AS last_place,
    MIN(first_slot_at) AS first_slot_at,
    MAX(last_slot_at) AS last_slot_at,
    SUM(is_open * observed_s) AS observed_s,
    SUM(is_open * available_s) AS available_s,
    SUM(is_open * charging_s) AS charging_s,
    SUM(is_open * reserved_s) AS reserved_s,
    SUM(is_open * blocked_s) AS blocked_s,
    SUM(is_open * inoperative_s) AS inoperative_s,
    SUM(is_open * out_of_order_s) AS out_of_order_s,
    SUM(is_open * unknown_s) AS unknown_s
  FROM hours
  GROUP BY
    evse_key,
    station_key,
    local_date
), polls AS (
  SELECT
    place,
    slot_at,
    CAST(slot_at AS TIMESTAMP) + INTERVAL (cadence_s) SECOND AS stands_until,
    DATE_TRUNC(
      'DAY',
      CAST(DATE_TRUNC('HOUR', slot_at) AS TIMESTAMP) AT TIME ZONE 'UTC' AT TIME ZONE $time_zone
    ) AS local_date
  FROM warehouse.fact_poll
  WHERE
    feed = $feed
    AND outcome IN ('ok', 'not_modified')
    AND slot_at >= $window_start
    AND slot_at < $window_end
), poll_days AS (
  SELECT
    place,
    local_date,
    MIN(slot_at) AS first_poll_at,
    MAX(slot_at) AS last_poll_at
  FROM polls
  GROUP BY
    place,
    local_date
), polls_before AS (
  SELECT
    evse_days.evse_key,
    evse_days.station_key,
    evse_days.local_date,
    MAX(polls.stands_until) AS lacked_until
  FROM evse_days
  INNER JOIN poll_days
    ON evse_days.first_place = poll_days.place
    AND evse_days.local_date = poll_days.local_date
    AND evse_days.first_slot_at > poll_days.first_poll_at
  INNER JOIN polls
    ON evse_days.first_place = polls.place
    AND evse_days.local_date = polls.local_date
    AND evse_days.first_slot_at > polls.slot_at
  GROUP BY
    evse_days.evse_key,
    evse_days.station_key,
    evse_days.local_date
), polls_after AS (
  SELECT
    evse_days.evse_key,
    evse_days.station_key,
    evse_days.local_date,
    MIN(polls.slot_at) AS lacked_from
  FROM evse_days
  INNER JOIN poll_days
    ON evse_days.last_place = poll_days.place
    AND evse_days.local_date = poll_days.local_date
    AND evse_days.last_slot_at < poll_days.last_poll_at
  INNER JOIN polls
    ON evse_days.last_place = polls.place
    AND evse_days.local_date = polls.local_date
    AND evse_days.last_slot_at < polls.slot_at
  GROUP BY
    evse_days.evse_key,
    evse_days.station_key,
    evse_days.local_date
), spans AS (
  SELECT
    evse_days.evse_key,
    evse_days.station_key,
    evse_days.local_date,
    evse_days.day_place,
    CASE
      WHEN polls_before.lacked_until IS NULL
      THEN CAST(evse_days.local_date AS TIMESTAMP) AT TIME ZONE $time_zone AT TIME ZONE 'UTC'
      ELSE LEAST(evse_days.first_slot_at, polls_before.lacked_until)
    END AS span_from,
    COALESCE(
      polls_after.lacked_from,
      CAST(CAST(evse_days.local_date AS TIMESTAMP) + INTERVAL 1 DAY AS TIMESTAMP) AT TIME ZONE $time_zone AT TIME ZONE 'UTC'
    ) AS span_to
  FROM evse_days
  LEFT JOIN polls_before
    ON evse_days.evse_key = polls_before.evse_key
    AND evse_days.station_key = polls_before.station_key
    AND evse_days.local_date = polls_before.local_date
  LEFT JOIN polls_after
    ON evse_days.evse_key = polls_after.evse_key
    AND evse_days.station_key = polls_after.station_key
    AND evse_days.local_date = polls_after.local_date
), intervals AS (
  SELECT
    evse_key,
    station_key,
    local_date,
    span_from AS from_at,
    span_to AS to_at,
    1 AS in_day,
    0 AS is_future,
    0 AS is_missing
  FROM spans
  UNION ALL
  SELECT
    evse_key,
    station_key,
    local_date,
    GREATEST(span_from, CAST($now_at AS TIMESTAMP)) AS from_at,
    span_to AS to_at,
    0 AS in_day,
    1 AS is_future,
    0 AS is_missing
  FROM spans
  UNION ALL
  SELECT
    spans.evse_key,
    spans.station_key,
    spans.local_date,
    CAST($window_start AS TIMESTAMP) AS from_at,
    neighbours.begins_at AS to_at,
    0 AS in_day,
    0 AS is_future,
    1 AS is_missing
  FROM spans
  INNER JOIN neighbours
    ON spans.day_place = neighbours.place
    AND spans.local_date = neighbours.local_date
    AND neighbours.previous_at IS NULL
  UNION ALL
  SELECT
    spans.evse_key,
    spans.station_key,
    spans.local_date,
    neighbours.ends_at AS from_at,
    LEAST(
      COALESCE(neighbours.next_at, CAST($window_end AS TIMESTAMP)),
      CAST($now_at AS TIMESTAMP)
    ) AS to_at,
    0 AS in_day,
    0 AS is_future,
    1 AS is_missing
  FROM spans
  INNER JOIN neighbours
    ON spans.day_place = neighbours.place AND spans.local_date = neighbours.local_date
), interval_seconds AS (
  SELECT
    intervals.*,
    DATE_DIFF('SECOND', CAST(intervals.from_at AS TIMESTAMP), CAST(intervals.to_at AS TIMESTAMP)) - COALESCE(
      (
        ends.closed_count - begins.closed_count
      ) * 3600 + ends.is_closed * DATE_DIFF('SECOND', CAST(ends.hour_at AS TIMESTAMP), CAST(intervals.to_at AS TIMESTAMP)) - begins.is_closed * DATE_DIFF('SECOND', CAST(begins.hour_at AS TIMESTAMP), CAST(intervals.from_at AS TIMESTAMP)),
      0
    ) AS length_s
  FROM intervals
  LEFT JOIN closed_before AS begins
    ON intervals.station_key = begins.station_key
    AND DATE_TRUNC('HOUR', intervals.from_at) = begins.hour_at
  LEFT JOIN closed_before AS ends
    ON intervals.station_key = ends.station_key
    AND DATE_TRUNC('HOUR', intervals.to_at) = ends.hour_at
  WHERE
    intervals.from_at < intervals.to_at
), lengths AS (
  SELECT
    evse_key,
    station_key,
    local_date,
    SUM(in_day * length_s) AS window_s,
    SUM(is_future * length_s) AS future_s,
    SUM(is_missing * length_s) AS missing_s
  FROM interval_seconds
  GROUP BY
    evse_key,
    station_key,
    local_date
), days AS (
  SELECT
    evse_days.station_key,
    evse_days.local_date,
    COUNT(*) AS evse_count,
    SUM(evse_days.observed_s) AS observed_s,
    SUM(evse_days.available_s) AS available_s,
    SUM(evse_days.charging_s) AS charging_s,
    SUM(evse_days.reserved_s) AS reserved_s,
    SUM(evse_days.blocked_s) AS blocked_s,
    SUM(evse_days.inoperative_s) AS inoperative_s,
    SUM(evse_days.out_of_order_s) AS out_of_order_s,
    SUM(evse_days.unknown_s) AS unknown_s,
    SUM(lengths.window_s) AS window_s,
    SUM(
      GREATEST(evse_days.observed_s, lengths.window_s - lengths.future_s) + lengths.missing_s
    ) AS period_window_s
  FROM evse_days
  INNER JOIN lengths
    ON evse_days.evse_key = lengths.evse_key
    AND evse_days.station_key = lengths.station_key
    AND evse_days.local_date = lengths.local_date
  GROUP BY
    evse_days.station_key,
    evse_days.local_date
), station_names AS (
  SELECT
    days.*,
    station_days.place,
    station_days.station_name,
    station_days.operator_name,
    ROW_NUMBER() OVER (PARTITION BY days.station_key ORDER BY days.local_date DESC NULLS FIRST) AS day_rank
  FROM days
  INNER JOIN station_days
    ON days.station_key = station_days.station_key
    AND days.local_date = station_days.local_date
), totals AS (
  SELECT
    CAST('station' AS TEXT(16)) AS grouped_by,
    station_key,
    MAX(CASE WHEN day_rank = 1 THEN station_name END) AS station_name,
    MAX(CASE WHEN day_rank = 1 THEN place END) AS place,
    MAX(CASE WHEN day_rank = 1 THEN operator_name END) AS operator_name,
    MAX(local_date) AS local_date,
    MAX(evse_count) AS evse_count,
    1 AS station_count,
    COUNT(*) AS day_count,
    SUM(observed_s) AS observed_s,
    SUM(available_s) AS available_s,
    SUM(charging_s) AS charging_s,
    SUM(reserved_s) AS reserved_s,
    SUM(blocked_s) AS blocked_s,
    SUM(inoperative_s) AS inoperative_s,
    SUM(out_of_order_s) AS out_of_order_s,
    SUM(unknown_s) AS unknown_s,
    SUM(period_window_s) AS window_s
  FROM station_names
  GROUP BY
    station_key
  HAVING
    SUM(observed_s) * 5 >= SUM(period_window_s) * 4
    AND SUM(observed_s - unknown_s) * 5 >= SUM(observed_s)
    AND SUM(inoperative_s + out_of_order_s) * 100 > SUM(observed_s)
  UNION ALL
  SELECT
    CAST('operator' AS TEXT(16)) AS grouped_by,
    0 AS station_key,
    MAX(station_name) AS station_name,
    MAX(place) AS place,
    operator_name,
    MAX(local_date) AS local_date,
    MAX(evse_count) AS evse_count,
    COUNT(DISTINCT station_key) AS station_count,
    COUNT(DISTINCT local_date) AS day_count,
    SUM(observed_s) AS observed_s,
    SUM(available_s) AS available_s,
    SUM(charging_s) AS charging_s,
    SUM(reserved_s) AS reserved_s,
    SUM(blocked_s) AS blocked_s,
    SUM(inoperative_s) AS inoperative_s,
    SUM(out_of_order_s) AS out_of_order_s,
    SUM(unknown_s) AS unknown_s,
    SUM(period_window_s) AS window_s
  FROM station_names
  GROUP BY
    operator_name
  UNION ALL
  SELECT
    CAST('day' AS TEXT(16)) AS grouped_by,
    0 AS station_key,
    MAX(station_name) AS station_name,
    MAX(place) AS place,
    MAX(operator_name) AS operator_name,
    local_date,
    SUM(evse_count) AS evse_count,
    COUNT(*) AS station_count,
    1 AS day_count,
    SUM(observed_s) AS observed_s,
    SUM(available_s) AS available_s,
    SUM(charging_s) AS charging_s,
    SUM(reserved_s) AS reserved_s,
    SUM(blocked_s) AS blocked_s,
    SUM(inoperative_s) AS inoperative_s,
    SUM(out_of_order_s) AS out_of_order_s,
    SUM(unknown_s) AS unknown_s,
    SUM(window_s) AS window_s
  FROM station_names
  GROUP BY
    local_date
), ranked AS (
  SELECT
    totals.*,
    ROW_NUMBER() OVER (
      PARTITION BY grouped_by
      ORDER BY CAST(inoperative_s + out_of_order_s AS DOUBLE) / GREATEST(1, observed_s) DESC NULLS FIRST, station_key ASC
    ) AS group_rank
  FROM totals
)
SELECT
  grouped_by,
  station_key,
  station_name,
  place,
  operator_name,
  local_date,
  CAST(evse_count AS INT) AS evse_count,
  CAST(station_count AS INT) AS station_count,
  CAST(day_count AS INT) AS day_count,
  CAST(observed_s AS BIGINT) AS observed_s,
  CAST(available_s AS BIGINT) AS available_s,
  CAST(charging_s AS BIGINT) AS charging_s,
  CAST(reserved_s AS BIGINT) AS reserved_s,
  CAST(blocked_s AS BIGINT) AS blocked_s,
  CAST(inoperative_s AS BIGINT) AS inoperative_s,
  CAST(out_of_order_s AS BIGINT) AS out_of_order_s,
  CAST(unknown_s AS BIGINT) AS unknown_s,
  CAST(window_s AS BIGINT) AS window_s
FROM ranked
WHERE
  grouped_by <> 'station' OR group_rank <= 1000
ORDER BY
  grouped_by,
  station_key,
  operator_name,
  local_date

-- Generated from sql/dimensions/bridge_station_opening.sql (d1495ae0b2d9552a) by python -m charging_assets.warehouse.transpile; do not edit.
WITH digits AS (
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
), numbers AS (
  SELECT
    hundreds.digit * 100 + tens.digit * 10 + ones.digit + 1 AS place_number
  FROM digits AS hundreds
  CROSS JOIN digits AS tens
  CROSS JOIN digits AS ones
), days AS (
  SELECT
    place_number AS day_number
  FROM numbers
  WHERE
    place_number <= 8
), stations AS (
  SELECT
    station_key,
    feed,
    place,
    station_id,
    valid_from,
    valid_to,
    is_current,
    is_open_24_7,
    opening_hours
  FROM warehouse.dim_station
  WHERE
    station_key IN (
      SELECT
        affected_entity.entity_key
      FROM affected_entity
    )
), counted AS (
  SELECT
    stations.*,
    LENGTH(opening_hours) - LENGTH(REPLACE(opening_hours, 'period_begin', '')) AS begins_length
  FROM stations
  WHERE
    COALESCE(is_open_24_7, FALSE) = FALSE AND NOT opening_hours IS NULL
), parts AS (
  SELECT
    counted.station_key,
    counted.valid_from,
    SPLIT_PART(counted.opening_hours, '},{', CAST(numbers.place_number AS INT)) AS period
  FROM counted
  INNER JOIN numbers
    ON counted.begins_length >= 12 * numbers.place_number
), period_texts AS (
  SELECT
    station_key,
    valid_from,
    REPLACE(REPLACE(REPLACE(SPLIT_PART(period, '"weekday":', 2), '"', ''), '}', ''), ']', '') AS weekday,
    CAST(SUBSTRING(SPLIT_PART(period, '"period_begin":"', 2), 1, 2) AS INT) * 60 + CAST(SUBSTRING(SPLIT_PART(period, '"period_begin":"', 2), 4, 2) AS INT) AS begin_min,
    CAST(SUBSTRING(SPLIT_PART(period, '"period_end":"', 2), 1, 2) AS INT) * 60 + CAST(SUBSTRING(SPLIT_PART(period, '"period_end":"', 2), 4, 2) AS INT) AS end_min
  FROM parts
), numbered AS (
  SELECT
    station_key,
    valid_from,
    CASE WHEN weekday = 'holiday' THEN 8 ELSE CAST(weekday AS INT) END AS day_number,
    begin_min,
    CASE WHEN end_min = 1439 AND begin_min < 1439 THEN 1440 ELSE end_min END AS end_min
  FROM period_texts
), open_times AS (
  SELECT
    station_key,
    valid_from,
    day_number,
    begin_min AS opens_min,
    CASE WHEN end_min > begin_min THEN end_min ELSE 1440 END AS closes_min
  FROM numbered
  WHERE
    begin_min < 1440
  UNION
  SELECT
    station_key,
    valid_from,
    CASE WHEN day_number = 7 THEN 1 ELSE day_number + 1 END AS day_number,
    0 AS opens_min,
    end_min AS closes_min
  FROM numbered
  WHERE
    end_min <= begin_min AND end_min > 0 AND day_number <= 7
  UNION
  SELECT
    stations.station_key,
    stations.valid_from,
    days.day_number,
    0 AS opens_min,
    1440 AS closes_min
  FROM stations
  CROSS JOIN days
  WHERE
    stations.is_open_24_7
), longest AS (
  SELECT
    station_key,
    valid_from,
    day_number,
    opens_min,
    MAX(closes_min) AS closes_min
  FROM open_times
  GROUP BY
    station_key,
    valid_from,
    day_number,
    opens_min
)
SELECT
  stations.station_key,
  stations.feed,
  stations.place,
  stations.station_id,
  CAST(longest.day_number AS SMALLINT) AS day_number,
  longest.day_number = 8 AS is_holiday,
  CAST(longest.opens_min AS SMALLINT) AS opens_min,
  CAST(longest.closes_min AS SMALLINT) AS closes_min,
  stations.valid_from,
  stations.valid_to,
  stations.is_current
FROM longest
INNER JOIN stations
  ON longest.station_key = stations.station_key
  AND longest.valid_from = stations.valid_from

-- Generated from sql/dimensions/bridge_evse_capability.sql (112d5396f0bec523) by python -m charging_assets.warehouse.transpile; do not edit.
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
    tens.digit * 10 + ones.digit + 1 AS place_number
  FROM digits AS tens
  CROSS JOIN digits AS ones
), lists AS (
  SELECT
    evse_key,
    feed,
    place,
    evse_uid,
    valid_from,
    valid_to,
    is_current,
    SUBSTRING(capabilities, 3, LENGTH(capabilities) - 4) AS members
  FROM warehouse.dim_evse
  WHERE
    evse_key IN (
      SELECT
        affected_entity.entity_key
      FROM affected_entity
    )
    AND LENGTH(capabilities) > 4
    AND STRPOS(capabilities, CHR(92)) = 0
), counted AS (
  SELECT
    lists.*,
    LENGTH(members) - LENGTH(REPLACE(members, '","', '')) AS separators_length
  FROM lists
)
SELECT
  counted.evse_key,
  counted.feed,
  counted.place,
  counted.evse_uid,
  CAST(SPLIT_PART(counted.members, '","', CAST(numbers.place_number AS INT)) AS TEXT(1024)) AS capability,
  counted.valid_from,
  counted.valid_to,
  counted.is_current
FROM counted
INNER JOIN numbers
  ON counted.separators_length >= 3 * (
    numbers.place_number - 1
  )

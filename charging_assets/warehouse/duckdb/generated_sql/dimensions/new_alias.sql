-- Generated from sql/dimensions/new_alias.sql (f184871a3a88aabc) by python -m charging_assets.warehouse.transpile; do not edit.
WITH versions AS (
  SELECT
    evse_key,
    feed,
    place,
    evse_uid,
    evse_id,
    station_key,
    physical_reference,
    valid_from,
    valid_to,
    close_reason,
    LAG(evse_id) OVER (PARTITION BY evse_key ORDER BY valid_from) AS evse_id_before,
    ROW_NUMBER() OVER (PARTITION BY evse_key ORDER BY valid_from) AS age_rank,
    ROW_NUMBER() OVER (PARTITION BY evse_key ORDER BY valid_from DESC NULLS FIRST) AS newness_rank
  FROM warehouse.dim_evse
), first_versions AS (
  SELECT
    *
  FROM versions
  WHERE
    age_rank = 1
), disappeared AS (
  SELECT
    *
  FROM versions
  WHERE
    newness_rank = 1 AND close_reason = 'disappeared'
), candidate_pairs AS (
  SELECT
    first_versions.evse_key,
    first_versions.feed,
    first_versions.place,
    first_versions.evse_uid,
    first_versions.evse_id,
    disappeared.evse_key AS former_evse_key,
    disappeared.evse_uid AS former_evse_uid,
    disappeared.evse_id AS former_evse_id,
    first_versions.valid_from AS changed_at,
    CASE
      WHEN first_versions.evse_id = disappeared.evse_id
      THEN 'same_evse_id'
      WHEN first_versions.station_key = disappeared.station_key
      AND first_versions.physical_reference = disappeared.physical_reference
      THEN 'same_position'
    END AS reason
  FROM first_versions
  INNER JOIN disappeared
    ON first_versions.feed = disappeared.feed
    AND first_versions.evse_key <> disappeared.evse_key
    AND first_versions.valid_from >= disappeared.valid_to
    AND first_versions.valid_from < (
      CAST(disappeared.valid_to AS TIMESTAMP) + INTERVAL 30 DAY
    )
)
SELECT
  evse_key,
  feed,
  place,
  evse_uid,
  evse_id,
  evse_key AS former_evse_key,
  evse_uid AS former_evse_uid,
  evse_id_before AS former_evse_id,
  valid_from AS changed_at,
  CAST('relabelled' AS TEXT(32)) AS reason,
  FALSE AS is_guess
FROM versions
WHERE
  evse_id_before <> evse_id
UNION ALL
SELECT
  evse_key,
  feed,
  place,
  evse_uid,
  evse_id,
  former_evse_key,
  former_evse_uid,
  former_evse_id,
  changed_at,
  CAST(reason AS TEXT(32)) AS reason,
  TRUE AS is_guess
FROM candidate_pairs
WHERE
  NOT reason IS NULL

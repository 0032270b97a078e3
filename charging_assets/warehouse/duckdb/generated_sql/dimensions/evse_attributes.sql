-- Generated from sql/dimensions/evse_attributes.sql (d7b5fbbe5ded320c) by python -m charging_assets.warehouse.transpile; do not edit.
WITH first_published AS (
  SELECT
    evse_key,
    attribute_hash,
    MIN(slot_at) AS slot_at
  FROM staging.flat_evses
  WHERE
    slot_at >= $window_start
    AND slot_at < $window_end
    AND evse_key IN (
      SELECT
        affected_entity.entity_key
      FROM affected_entity
    )
  GROUP BY
    evse_key,
    attribute_hash
), published AS (
  SELECT
    states.evse_key,
    states.attribute_hash,
    states.evse_uid,
    states.identity_hash,
    states.station_key,
    states.station_id,
    states.evse_id,
    states.physical_reference,
    states.floor_level,
    states.vehicle_type,
    states.charging_point_position,
    states.charging_station_position,
    states.parking_space_numbers,
    states.public_comment,
    states.is_roaming,
    states.is_reservable,
    states.capabilities,
    states.extra,
    ROW_NUMBER() OVER (
      PARTITION BY states.evse_key, states.attribute_hash
      ORDER BY states.feed, states.place
    ) AS state_rank
  FROM staging.flat_evses AS states
  INNER JOIN first_published
    ON states.evse_key = first_published.evse_key
    AND states.attribute_hash = first_published.attribute_hash
    AND states.slot_at = first_published.slot_at
), attribute_states AS (
  SELECT
    evse_key,
    attribute_hash,
    evse_uid,
    identity_hash,
    station_key,
    station_id,
    evse_id,
    physical_reference,
    floor_level,
    vehicle_type,
    charging_point_position,
    charging_station_position,
    parking_space_numbers,
    public_comment,
    is_roaming,
    is_reservable,
    capabilities,
    extra
  FROM published
  WHERE
    state_rank = 1
  UNION ALL
  SELECT
    stored.evse_key,
    stored.attribute_hash,
    stored.evse_uid,
    stored.identity_hash,
    stored.station_key,
    stored.station_id,
    stored.evse_id,
    stored.physical_reference,
    stored.floor_level,
    stored.vehicle_type,
    stored.charging_point_position,
    stored.charging_station_position,
    stored.parking_space_numbers,
    stored.public_comment,
    stored.is_roaming,
    stored.is_reservable,
    stored.capabilities,
    stored.extra
  FROM warehouse.evse_attributes AS stored
  LEFT JOIN published
    ON stored.evse_key = published.evse_key
    AND stored.attribute_hash = published.attribute_hash
  WHERE
    published.evse_key IS NULL
    AND stored.evse_key IN (
      SELECT
        affected_entity.entity_key
      FROM affected_entity
    )
), referenced AS (
  SELECT DISTINCT
    entity_key,
    attribute_hash
  FROM warehouse.entity_version
  WHERE
    entity_type = 'evse'
    AND entity_key IN (
      SELECT
        affected_entity.entity_key
      FROM affected_entity
    )
)
SELECT
  attribute_states.evse_key,
  attribute_states.attribute_hash,
  attribute_states.evse_uid,
  attribute_states.identity_hash,
  attribute_states.station_key,
  attribute_states.station_id,
  attribute_states.evse_id,
  attribute_states.physical_reference,
  attribute_states.floor_level,
  attribute_states.vehicle_type,
  attribute_states.charging_point_position,
  attribute_states.charging_station_position,
  attribute_states.parking_space_numbers,
  attribute_states.public_comment,
  attribute_states.is_roaming,
  attribute_states.is_reservable,
  attribute_states.capabilities,
  attribute_states.extra
FROM attribute_states
INNER JOIN referenced
  ON attribute_states.evse_key = referenced.entity_key
  AND attribute_states.attribute_hash = referenced.attribute_hash

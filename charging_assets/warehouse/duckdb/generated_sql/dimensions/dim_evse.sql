-- Generated from sql/dimensions/dim_evse.sql (62581618a17499e3) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  attributes.evse_key,
  versions.feed,
  versions.place,
  attributes.evse_uid,
  attributes.attribute_hash,
  attributes.station_key,
  attributes.station_id,
  attributes.evse_id,
  attributes.physical_reference,
  attributes.floor_level,
  attributes.vehicle_type,
  attributes.charging_point_position,
  attributes.charging_station_position,
  attributes.parking_space_numbers,
  attributes.public_comment,
  attributes.is_roaming,
  attributes.is_reservable,
  attributes.capabilities,
  attributes.extra,
  versions.valid_from,
  versions.valid_to,
  versions.valid_to IS NULL AS is_current,
  versions.close_reason
FROM warehouse.entity_version AS versions
INNER JOIN warehouse.evse_attributes AS attributes
  ON versions.entity_key = attributes.evse_key
  AND versions.attribute_hash = attributes.attribute_hash
WHERE
  versions.entity_type = 'evse'
  AND versions.entity_key IN (
    SELECT
      affected_entity.entity_key
    FROM affected_entity
  )

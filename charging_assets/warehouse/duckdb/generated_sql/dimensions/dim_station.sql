-- Generated from sql/dimensions/dim_station.sql (ef0c62bda98f75bb) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  attributes.station_key,
  versions.feed,
  versions.place,
  attributes.station_id,
  attributes.attribute_hash,
  attributes.name,
  attributes.address,
  attributes.city,
  attributes.postal_code,
  attributes.country,
  attributes.latitude,
  attributes.longitude,
  attributes.directions,
  attributes.comment,
  attributes.operator_id,
  attributes.operator_name,
  attributes.operator_hotline,
  attributes.owner,
  attributes.publication_status,
  attributes.is_roaming,
  attributes.is_open_24_7,
  attributes.opening_hours,
  attributes.tariff_zones,
  attributes.extra,
  versions.valid_from,
  versions.valid_to,
  versions.valid_to IS NULL AS is_current,
  versions.close_reason
FROM warehouse.entity_version AS versions
INNER JOIN warehouse.station_attributes AS attributes
  ON versions.entity_key = attributes.station_key
  AND versions.attribute_hash = attributes.attribute_hash
WHERE
  versions.entity_type = 'station'
  AND versions.entity_key IN (
    SELECT
      affected_entity.entity_key
    FROM affected_entity
  )

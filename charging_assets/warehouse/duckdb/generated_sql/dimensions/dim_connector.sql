-- Generated from sql/dimensions/dim_connector.sql (b7eb16ee98a998ce) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  attributes.connector_key,
  versions.feed,
  versions.place,
  attributes.connector_id,
  attributes.attribute_hash,
  attributes.evse_key,
  attributes.evse_uid,
  attributes.standard,
  attributes.format,
  attributes.power_type,
  attributes.ampere,
  attributes.voltage,
  attributes.max_power_kw,
  attributes.tariff_id,
  attributes.extra,
  versions.valid_from,
  versions.valid_to,
  versions.valid_to IS NULL AS is_current,
  versions.close_reason
FROM warehouse.entity_version AS versions
INNER JOIN warehouse.connector_attributes AS attributes
  ON versions.entity_key = attributes.connector_key
  AND versions.attribute_hash = attributes.attribute_hash
WHERE
  versions.entity_type = 'connector'
  AND versions.entity_key IN (
    SELECT
      affected_entity.entity_key
    FROM affected_entity
  )

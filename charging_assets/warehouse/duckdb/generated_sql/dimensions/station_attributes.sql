-- Generated from sql/dimensions/station_attributes.sql (468ed59562b6142f) by python -m charging_assets.warehouse.transpile; do not edit.
WITH first_published AS (
  SELECT
    station_key,
    attribute_hash,
    MIN(slot_at) AS slot_at
  FROM staging.flat_stations
  WHERE
    slot_at >= $window_start
    AND slot_at < $window_end
    AND station_key IN (
      SELECT
        affected_entity.entity_key
      FROM affected_entity
    )
  GROUP BY
    station_key,
    attribute_hash
), published AS (
  SELECT
    states.station_key,
    states.attribute_hash,
    states.station_id,
    states.identity_hash,
    states.name,
    states.address,
    states.city,
    states.postal_code,
    states.country,
    states.latitude,
    states.longitude,
    states.directions,
    states.comment,
    states.operator_id,
    states.operator_name,
    states.operator_hotline,
    states.owner,
    states.publication_status,
    states.is_roaming,
    states.is_open_24_7,
    states.opening_hours,
    states.tariff_zones,
    states.extra,
    ROW_NUMBER() OVER (
      PARTITION BY states.station_key, states.attribute_hash
      ORDER BY states.feed, states.place
    ) AS state_rank
  FROM staging.flat_stations AS states
  INNER JOIN first_published
    ON states.station_key = first_published.station_key
    AND states.attribute_hash = first_published.attribute_hash
    AND states.slot_at = first_published.slot_at
), attribute_states AS (
  SELECT
    station_key,
    attribute_hash,
    station_id,
    identity_hash,
    name,
    address,
    city,
    postal_code,
    country,
    latitude,
    longitude,
    directions,
    comment,
    operator_id,
    operator_name,
    operator_hotline,
    owner,
    publication_status,
    is_roaming,
    is_open_24_7,
    opening_hours,
    tariff_zones,
    extra
  FROM published
  WHERE
    state_rank = 1
  UNION ALL
  SELECT
    stored.station_key,
    stored.attribute_hash,
    stored.station_id,
    stored.identity_hash,
    stored.name,
    stored.address,
    stored.city,
    stored.postal_code,
    stored.country,
    stored.latitude,
    stored.longitude,
    stored.directions,
    stored.comment,
    stored.operator_id,
    stored.operator_name,
    stored.operator_hotline,
    stored.owner,
    stored.publication_status,
    stored.is_roaming,
    stored.is_open_24_7,
    stored.opening_hours,
    stored.tariff_zones,
    stored.extra
  FROM warehouse.station_attributes AS stored
  LEFT JOIN published
    ON stored.station_key = published.station_key
    AND stored.attribute_hash = published.attribute_hash
  WHERE
    published.station_key IS NULL
    AND stored.station_key IN (
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
    entity_type = 'station'
    AND entity_key IN (
      SELECT
        affected_entity.entity_key
      FROM affected_entity
    )
)
SELECT
  attribute_states.station_key,
  attribute_states.attribute_hash,
  attribute_states.station_id,
  attribute_states.identity_hash,
  attribute_states.name,
  attribute_states.address,
  attribute_states.city,
  attribute_states.postal_code,
  attribute_states.country,
  attribute_states.latitude,
  attribute_states.longitude,
  attribute_states.directions,
  attribute_states.comment,
  attribute_states.operator_id,
  attribute_states.operator_name,
  attribute_states.operator_hotline,
  attribute_states.owner,
  attribute_states.publication_status,
  attribute_states.is_roaming,
  attribute_states.is_open_24_7,
  attribute_states.opening_hours,
  attribute_states.tariff_zones,
  attribute_states.extra
FROM attribute_states
INNER JOIN referenced
  ON attribute_states.station_key = referenced.entity_key
  AND attribute_states.attribute_hash = referenced.attribute_hash

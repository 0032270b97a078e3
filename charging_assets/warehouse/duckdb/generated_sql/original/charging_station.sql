-- Generated from sql/original/charging_station.sql (d399e5c87f975311) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  stations.station_id AS id_cs,
  stations.name,
  stations.address,
  stations.city,
  stations.postal_code,
  stations.country,
  stations.owner,
  stations.is_roaming AS roaming,
  stations.latitude,
  stations.longitude,
  stations.operator_name,
  stations.operator_hotline,
  stations.is_open_24_7 AS open_24_7
FROM warehouse.dim_station AS stations
WHERE
  stations.is_current
  AND stations.feed IN (
    SELECT
      polls.feed
    FROM warehouse.fact_poll AS polls
    WHERE
      polls.feed_kind = 'chargecloud'
  )

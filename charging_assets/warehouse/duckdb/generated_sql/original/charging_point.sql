-- Generated from sql/original/charging_point.sql (c5cdaa337d987c8a) by python -m charging_assets.warehouse.transpile; do not edit.
SELECT
  evses.evse_id AS id_cp,
  evses.station_id AS id_cs,
  evses.charging_station_position,
  evses.is_roaming AS roaming,
  evses.physical_reference,
  evses.parking_space_numbers AS cp_parking_space_numbers,
  evses.charging_point_position AS cp_position,
  evses.vehicle_type,
  evses.floor_level
FROM warehouse.dim_evse AS evses
WHERE
  evses.is_current
  AND evses.feed IN (
    SELECT
      polls.feed
    FROM warehouse.fact_poll AS polls
    WHERE
      polls.feed_kind = 'chargecloud'
  )

-- Grain: one row per evse and distinct attribute state, of those seen in the hour.
-- Scope: states that warehouse.evse_attributes does not have yet; slots in
-- [:window_start, :window_end). Rows of one state are equal, so any of them will do.
SELECT DISTINCT
    evse_key,
    attribute_hash,
    feed,
    evse_uid,
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
FROM staging.flat_evses
WHERE
    slot_at >= :window_start
    AND slot_at < :window_end;

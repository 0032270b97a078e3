-- Grain: one row per station and distinct attribute state, of those seen in the hour.
-- Scope: states that warehouse.station_attributes does not have yet; slots in
-- [:window_start, :window_end). Rows of one state are equal, so any of them will do.
SELECT DISTINCT
    station_key,
    attribute_hash,
    feed,
    station_id,
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
FROM staging.flat_stations
WHERE
    slot_at >= :window_start
    AND slot_at < :window_end;

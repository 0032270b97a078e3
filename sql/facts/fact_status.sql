-- Grain: one row per feed, place, EVSE and run of equal status, published status, parking status
-- and connector overrides within an hour. A run ends at a change, at an absence from a good
-- complete poll, or at a gap of over 2.5 cadences. Preprocessing finds the runs.
-- Scope: slots in [:window_start, :window_end).
SELECT
    slot_at,
    feed,
    place,
    evse_key,
    evse_uid,
    status,
    status_published,
    parking_status,
    connector_status_overrides,
    slot_at AS first_slot_at,
    last_slot_at,
    poll_count,
    first_status_changed_at,
    last_status_changed_at
FROM staging.flat_status
WHERE
    slot_at >= :window_start
    AND slot_at < :window_end;

-- Grain: one row per EVSE with an invalid EVSE-ID: country, operator, E, outlet (ISO 15118).
-- Scope: slots in [:window_start, :window_end). Upper and lower case are accepted.
SELECT DISTINCT
    feed,
    place,
    evse_uid,
    evse_key,
    evse_id
FROM staging.flat_evses
WHERE
    slot_at >= :window_start
    AND slot_at < :window_end
    AND (
        evse_id IS NULL
        OR NOT (UPPER(evse_id) ~ '^[A-Z]{2}[*]?[A-Z0-9]{3}[*]?E[A-Z0-9][A-Z0-9*]{0,30}$')
    )
ORDER BY feed, place, evse_uid, evse_id, evse_key;

-- Grain: one row per EVSE and status that is not an OCPI status, or could not be parsed (null).
-- Scope: slots in [:window_start, :window_end). The published value is in ops.flat_rejects.
SELECT
    feed,
    place,
    evse_uid,
    status,
    connector_status_overrides,
    CAST(SUM(poll_count) AS INTEGER) AS poll_count
FROM staging.flat_status
WHERE
    slot_at >= :window_start
    AND slot_at < :window_end
    AND (
        status IS NULL
        OR status NOT IN (
            'AVAILABLE', 'BLOCKED', 'CHARGING', 'INOPERATIVE', 'OUTOFORDER', 'PLANNED', 'REMOVED',
            'RESERVED', 'UNKNOWN'
        )
        OR connector_status_overrides LIKE '%":null%'
    )
GROUP BY feed, place, evse_key, evse_uid, status, connector_status_overrides
ORDER BY poll_count DESC, feed ASC, place ASC, evse_uid ASC;

-- Grain: one row per feed, slot and place: what the place answered in that poll.
-- Scope: slots in [:window_start, :window_end).
SELECT
    slot_at,
    feed,
    feed_kind,
    time_zone,
    place,
    outcome,
    is_imported,
    requested_at,
    observed_at,
    cadence_s,
    elapsed_ms,
    http_status,
    body_bytes,
    raw_key,
    answer_count,
    station_count,
    station_rejected_count,
    evse_count,
    evse_rejected_count,
    connector_count,
    connector_rejected_count,
    status_count,
    status_rejected_count,
    carried_count,
    is_complete,
    field_rejected_count,
    schema_fingerprint,
    unknown_fields,
    untrimmed_count,
    untrimmed_example
FROM staging.flat_polls
WHERE
    slot_at >= :window_start
    AND slot_at < :window_end;

-- Grain: one row per charging point and poll, as the original project stored it.
-- fact_status, expanded over the good polls of its place. id_status_cp is a stable number of the
-- row; it is no key. id_chargingpoint is the EVSE-ID of that time.
SELECT
    MOD(runs.evse_key, 4611686018427387904)
    + DATEDIFF(SECOND, TIMESTAMP '2021-01-01', polls.slot_at) AS id_status_cp,
    evses.evse_id AS id_chargingpoint,
    CAST(polls.observed_at AS TIMESTAMP) AT TIME ZONE 'UTC' AS query_time,
    runs.status AS status_cp,
    runs.parking_status AS status_parkingsensor
FROM warehouse.fact_status AS runs
INNER JOIN warehouse.fact_poll AS polls
    ON
        runs.feed = polls.feed
        AND runs.place = polls.place
        AND runs.first_slot_at <= polls.slot_at
        AND runs.last_slot_at >= polls.slot_at
INNER JOIN warehouse.dim_evse AS evses
    ON
        runs.evse_key = evses.evse_key
        AND polls.slot_at >= evses.valid_from
        AND (evses.valid_to IS NULL OR polls.slot_at < evses.valid_to)
WHERE
    polls.feed_kind = 'chargecloud'
    AND polls.outcome = 'ok';

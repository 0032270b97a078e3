-- Grain: one row per charging point, place and poll, as the original project stored it.
-- fact_status, expanded over the good polls of its place. id_status_cp is a stable number of the
-- row, but not a key. id_chargingpoint is the EVSE-ID at that time. The first version is taken as
-- valid from the beginning: the dimension follows one place, and another place may have published
-- the EVSE earlier.
-- Scope: every hour of the feeds of chargecloud's kind.
WITH versions AS (
    SELECT
        evse_key,
        evse_id,
        CASE
            WHEN ROW_NUMBER() OVER (PARTITION BY evse_key ORDER BY valid_from) = 1
                THEN TIMESTAMP '1900-01-01'
            ELSE valid_from
        END AS valid_from,
        COALESCE(valid_to, TIMESTAMP '9999-12-31') AS valid_to
    FROM warehouse.dim_evse
)

SELECT
    MOD(runs.evse_key, 4611686018427387904)
    + DATEDIFF(SECOND, TIMESTAMP '2021-01-01', polls.slot_at) AS id_status_cp,
    versions.evse_id AS id_chargingpoint,
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
INNER JOIN versions
    ON
        runs.evse_key = versions.evse_key
        AND polls.slot_at >= versions.valid_from
        AND polls.slot_at < versions.valid_to
WHERE
    polls.feed_kind = 'chargecloud'
    AND polls.outcome IN ('ok', 'not_modified');

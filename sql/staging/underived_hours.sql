-- Grain: one row: the time range of hours that are staged but not yet in all dimensions. Usually it
-- is empty; while a range of hours is loaded, it contains those staged before.
-- An hour of one feed is derived if its digest is that of the feed; an hour of several feeds has a
-- digest of its own, and is derived if that was done after the feeds were staged.
-- Scope: hours in staging.
WITH derived AS (
    SELECT
        slot_at,
        input_digest,
        MIN(loaded_at) AS derived_at
    FROM ops.ledger
    WHERE asset IN ('dim_station', 'dim_evse', 'dim_connector')
    GROUP BY slot_at, input_digest
    HAVING COUNT(*) = 3
)

SELECT
    COALESCE(MIN(staged.slot_at), TIMESTAMP '9999-12-31') AS underived_from,
    COALESCE(
        DATEADD('hour', 1, MAX(staged.slot_at)), TIMESTAMP '1970-01-01'
    ) AS underived_to
FROM ops.ledger AS staged
LEFT JOIN derived
    ON
        staged.slot_at = derived.slot_at
        AND (
            staged.input_digest = derived.input_digest
            OR staged.loaded_at <= derived.derived_at
        )
WHERE
    staged.asset = 'staged_tables'
    AND staged.is_staged
    AND derived.slot_at IS NULL;

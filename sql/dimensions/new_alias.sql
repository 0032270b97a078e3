-- Grain: one row per EVSE, former identity and time at which it changed: bridge_evse_alias as it
-- should be for all EVSEs.
-- A relabelled EVSE keeps its uid and has a new EVSE-ID, which is observed. The replacement of one
-- EVSE by another is inferred: it was first observed within 30 days after the other had
-- disappeared, and has its EVSE-ID, or its station and physical reference.
-- Scope: all EVSEs, since a pair is affected by either of its two.
WITH versions AS (
    SELECT
        evse_key,
        feed,
        place,
        evse_uid,
        evse_id,
        station_key,
        physical_reference,
        valid_from,
        valid_to,
        close_reason,
        LAG(evse_id) OVER (PARTITION BY evse_key ORDER BY valid_from) AS evse_id_before,
        ROW_NUMBER() OVER (PARTITION BY evse_key ORDER BY valid_from) AS age_rank,
        ROW_NUMBER() OVER (PARTITION BY evse_key ORDER BY valid_from DESC) AS newness_rank
    FROM warehouse.dim_evse
),

first_versions AS (
    SELECT * FROM versions
    WHERE age_rank = 1
),

disappeared AS (
    SELECT * FROM versions
    WHERE
        newness_rank = 1
        AND close_reason = 'disappeared'
),

candidate_pairs AS (
    SELECT
        first_versions.evse_key,
        first_versions.feed,
        first_versions.place,
        first_versions.evse_uid,
        first_versions.evse_id,
        disappeared.evse_key AS former_evse_key,
        disappeared.evse_uid AS former_evse_uid,
        disappeared.evse_id AS former_evse_id,
        first_versions.valid_from AS changed_at,
        CASE
            WHEN first_versions.evse_id = disappeared.evse_id THEN 'same_evse_id'
            WHEN
                first_versions.station_key = disappeared.station_key
                AND first_versions.physical_reference = disappeared.physical_reference
                THEN 'same_position'
        END AS reason
    FROM first_versions
    INNER JOIN disappeared
        ON
            first_versions.feed = disappeared.feed
            AND first_versions.evse_key <> disappeared.evse_key
            AND first_versions.valid_from >= disappeared.valid_to
            AND first_versions.valid_from < DATEADD('day', 30, disappeared.valid_to)
)

SELECT
    evse_key,
    feed,
    place,
    evse_uid,
    evse_id,
    evse_key AS former_evse_key,
    evse_uid AS former_evse_uid,
    evse_id_before AS former_evse_id,
    valid_from AS changed_at,
    CAST('relabelled' AS VARCHAR(32)) AS reason,
    FALSE AS is_guess
FROM versions
WHERE
    evse_id_before <> evse_id
UNION ALL
SELECT
    evse_key,
    feed,
    place,
    evse_uid,
    evse_id,
    former_evse_key,
    former_evse_uid,
    former_evse_id,
    changed_at,
    CAST(reason AS VARCHAR(32)) AS reason,
    TRUE AS is_guess
FROM candidate_pairs
WHERE
    reason IS NOT NULL;

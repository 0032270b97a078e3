-- Grain: one row per absence of an entity that ends its version. Either it is missing from three or
-- more good polls of its place that span a day, each with at least half of the records of the place
-- in the hour of its last observation; or it is missing from all good polls over seven days, with
-- any number of records. The version ends at the first good poll without the entity.
-- Scope: the absences in entity_gap, of :entity_type; polls in [:gaps_from, :gaps_to).
WITH polls AS (
    SELECT
        slot_at,
        feed,
        place,
        record_count
    FROM warehouse.entity_poll
    WHERE
        entity_type = :entity_type
        AND slot_at >= :gaps_from
        AND slot_at < :gaps_to
),

usual_counts AS (
    SELECT
        entity_gap.entity_key,
        entity_gap.seen_at,
        MAX(polls.record_count) AS record_count
    FROM entity_gap
    INNER JOIN polls
        ON
            entity_gap.feed = polls.feed
            AND entity_gap.place = polls.place
            AND DATE_TRUNC('hour', entity_gap.seen_at) = DATE_TRUNC('hour', polls.slot_at)
    GROUP BY entity_gap.entity_key, entity_gap.seen_at
),

missed_polls AS (
    SELECT
        entity_gap.entity_key,
        entity_gap.seen_at,
        polls.slot_at,
        CASE
            WHEN polls.record_count * 2 >= COALESCE(usual_counts.record_count, 0) THEN polls.slot_at
        END AS whole_slot_at
    FROM entity_gap
    INNER JOIN polls
        ON
            entity_gap.feed = polls.feed
            AND entity_gap.place = polls.place
            AND entity_gap.seen_at < polls.slot_at
            AND COALESCE(entity_gap.next_at, TIMESTAMP '9999-12-31') > polls.slot_at
    LEFT JOIN usual_counts
        ON
            entity_gap.entity_key = usual_counts.entity_key
            AND entity_gap.seen_at = usual_counts.seen_at
),

absences AS (
    SELECT
        entity_key,
        seen_at,
        COUNT(*) AS poll_count,
        MIN(slot_at) AS closed_at,
        MAX(slot_at) AS last_slot_at,
        COUNT(whole_slot_at) AS whole_count,
        MIN(whole_slot_at) AS first_whole_at,
        MAX(whole_slot_at) AS last_whole_at
    FROM missed_polls
    GROUP BY entity_key, seen_at
)

SELECT
    entity_key,
    seen_at,
    closed_at
FROM absences
WHERE
    (whole_count >= 3 AND last_whole_at >= DATEADD('day', 1, first_whole_at))
    OR (poll_count >= 3 AND last_slot_at >= DATEADD('day', 7, closed_at));

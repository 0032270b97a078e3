-- Grain: one row per period of whole UTC hours [gap_from, gap_to) in which places of :feed were not
-- observed, with the EVSEs of the places in the hour before it, or after it if there is none
-- before. Filtered by :place and :operator_name unless empty.
-- Scope: hours in [:window_start, :window_end), none after :now_at, the end of the newest good
-- poll.
WITH hours AS (
    SELECT
        place,
        slot_at,
        SUM(
            CASE
                WHEN :operator_name = '' OR operator_name = :operator_name THEN evse_count
                ELSE 0
            END
        ) AS evse_count
    FROM mart.city_hour
    WHERE
        feed = :feed
        AND slot_at >= :window_start
        AND slot_at < :window_end
        AND (:place = '' OR place = :place)
    GROUP BY place, slot_at
),

neighbours AS (
    SELECT
        hours.*,
        LAG(slot_at) OVER (PARTITION BY place ORDER BY slot_at) AS previous_at,
        LEAD(slot_at) OVER (PARTITION BY place ORDER BY slot_at) AS next_at
    FROM hours
),

gaps AS (
    SELECT
        evse_count,
        DATEADD('hour', 1, slot_at) AS gap_from,
        LEAST(
            COALESCE(next_at, CAST(:window_end AS TIMESTAMP)), CAST(:now_at AS TIMESTAMP)
        ) AS gap_to
    FROM neighbours
    UNION ALL
    SELECT
        evse_count,
        CAST(:window_start AS TIMESTAMP) AS gap_from,
        slot_at AS gap_to
    FROM neighbours
    WHERE previous_at IS NULL
)

SELECT
    gap_from,
    gap_to,
    CAST(SUM(evse_count) AS BIGINT) AS evse_count
FROM gaps
WHERE
    gap_from < gap_to
    AND evse_count > 0
GROUP BY gap_from, gap_to
ORDER BY gap_from, gap_to;

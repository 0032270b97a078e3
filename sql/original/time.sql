-- Grain: one row per response time of a place, as the original project stored it: parts of the
-- feed's local time, with Monday as weekday 0.
-- Scope: every hour of the feeds of chargecloud's kind.
WITH times AS (
    SELECT DISTINCT
        polls.observed_at,
        CONVERT_TIMEZONE('UTC', polls.time_zone, polls.observed_at) AS local_at
    FROM warehouse.fact_poll AS polls
    WHERE
        polls.feed_kind = 'chargecloud'
        AND polls.outcome IN ('ok', 'not_modified')
        AND polls.observed_at IS NOT NULL
)

SELECT
    CAST(observed_at AS TIMESTAMP) AT TIME ZONE 'UTC' AS query_time,
    CAST(DATE_PART('hour', local_at) AS INTEGER) AS hour, -- noqa: RF04
    CAST(DATE_PART('day', local_at) AS INTEGER) AS day, -- noqa: RF04
    CAST(DATE_PART('week', local_at) AS INTEGER) AS week, -- noqa: RF04
    CAST(DATE_PART('month', local_at) AS INTEGER) AS month, -- noqa: RF04
    CAST(DATE_PART('year', local_at) AS INTEGER) AS year, -- noqa: RF04
    CAST(MOD(CAST(DATE_PART('dayofweek', local_at) AS INTEGER) + 6, 7) AS INTEGER) AS weekday
FROM times;

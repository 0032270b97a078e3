-- Grain: one row per connector and poll, as the original project stored it.
-- fact_status, expanded over the good polls of its place and the connectors seen in that hour; a
-- connector has its EVSE's status unless an override says otherwise.
-- id_status_connector is a stable number of the row; it is no key.
SELECT
    MOD(connectors.connector_key, 4611686018427387904)
    + DATEDIFF(SECOND, TIMESTAMP '2021-01-01', polls.slot_at) AS id_status_connector,
    connectors.connector_id AS id_connector,
    CAST(polls.observed_at AS TIMESTAMP) AT TIME ZONE 'UTC' AS query_time,
    CASE
        WHEN runs.connector_status_overrides IS NULL THEN runs.status
        WHEN runs.connector_status_overrides LIKE '%"' || connectors.connector_id || '":%'
            THEN
                JSON_EXTRACT_PATH_TEXT(
                    runs.connector_status_overrides, connectors.connector_id
                )
        ELSE runs.status
    END AS status_connector
FROM warehouse.fact_status AS runs
INNER JOIN warehouse.fact_poll AS polls
    ON
        runs.feed = polls.feed
        AND runs.place = polls.place
        AND runs.first_slot_at <= polls.slot_at
        AND runs.last_slot_at >= polls.slot_at
INNER JOIN warehouse.dim_connector AS connectors
    ON
        runs.evse_key = connectors.evse_key
        AND polls.slot_at >= connectors.valid_from
        AND (connectors.valid_to IS NULL OR polls.slot_at < connectors.valid_to)
INNER JOIN warehouse.entity_sighting AS sightings
    ON
        sightings.entity_type = 'connector'
        AND connectors.connector_key = sightings.entity_key
        AND connectors.attribute_hash = sightings.attribute_hash
        AND polls.slot_at >= sightings.slot_at
        AND polls.slot_at <= sightings.last_slot_at
        AND DATE_TRUNC('hour', polls.slot_at) = DATE_TRUNC('hour', sightings.slot_at)
WHERE
    polls.feed_kind = 'chargecloud'
    AND polls.outcome = 'ok';

-- Grain: one row per connector, in its latest version, as the original project stored it.
-- id_cp is the EVSE-ID of the latest version of its EVSE.
-- Scope: every hour of the feeds of chargecloud's kind.
SELECT
    connectors.connector_id AS id_connector,
    evses.evse_id AS id_cp,
    connectors.format,
    connectors.power_type,
    CAST(connectors.ampere AS INTEGER) AS ampere,
    CAST(connectors.max_power_kw AS INTEGER) AS max_power,
    CAST(connectors.voltage AS INTEGER) AS voltage,
    connectors.standard
FROM warehouse.dim_connector AS connectors
LEFT JOIN warehouse.dim_evse AS evses
    ON
        connectors.evse_key = evses.evse_key
        AND evses.is_current
WHERE
    connectors.is_current
    AND connectors.feed IN (
        SELECT polls.feed FROM warehouse.fact_poll AS polls
        WHERE polls.feed_kind = 'chargecloud'
    );

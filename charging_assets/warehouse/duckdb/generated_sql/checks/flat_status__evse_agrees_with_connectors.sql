-- Generated from sql/checks/flat_status__evse_agrees_with_connectors.sql (aa11b0a715087339) by python -m charging_assets.warehouse.transpile; do not edit.
WITH connectors AS (
  SELECT
    feed,
    place,
    evse_key,
    COUNT(DISTINCT connector_key) AS connector_count
  FROM staging.flat_connectors
  WHERE
    slot_at >= $window_start AND slot_at < $window_end
  GROUP BY
    feed,
    place,
    evse_key
), differing AS (
  SELECT
    feed,
    place,
    evse_key,
    evse_uid,
    status,
    connector_status_overrides,
    poll_count,
    LENGTH(connector_status_overrides) - LENGTH(REPLACE(REPLACE(connector_status_overrides, '":"', '""'), '":null', '"null')) AS override_count
  FROM staging.flat_status
  WHERE
    slot_at >= $window_start
    AND slot_at < $window_end
    AND NOT connector_status_overrides IS NULL
)
SELECT
  differing.feed,
  differing.place,
  differing.evse_uid,
  differing.status,
  differing.connector_status_overrides,
  CAST(SUM(differing.poll_count) AS INT) AS poll_count
FROM differing
LEFT JOIN connectors
  ON differing.feed = connectors.feed
  AND differing.place = connectors.place
  AND differing.evse_key = connectors.evse_key
WHERE
  (
    differing.status = 'CHARGING'
    AND differing.override_count >= connectors.connector_count
  )
  OR (
    differing.status <> 'CHARGING'
    AND differing.connector_status_overrides LIKE '%":"CHARGING"%'
  )
GROUP BY
  differing.feed,
  differing.place,
  differing.evse_key,
  differing.evse_uid,
  differing.status,
  differing.connector_status_overrides
ORDER BY
  poll_count DESC NULLS FIRST,
  differing.feed ASC,
  differing.place ASC,
  differing.evse_uid ASC

-- Grain: one row per EVSE whose aliases an hour may change: it is affected, or a former EVSE of it
-- is or was. Unions of joins, since Redshift cannot make a hash join of two IN under OR.
-- Scope: the EVSEs in affected_entity, and those paired with one of them in new_alias or before.
SELECT entity_key FROM affected_entity
UNION
SELECT new_alias.evse_key AS entity_key
FROM new_alias
INNER JOIN affected_entity
    ON new_alias.former_evse_key = affected_entity.entity_key
UNION
SELECT bridge_evse_alias.evse_key AS entity_key
FROM warehouse.bridge_evse_alias
INNER JOIN affected_entity
    ON bridge_evse_alias.former_evse_key = affected_entity.entity_key;

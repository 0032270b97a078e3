"""The tables of schema `warehouse`, in the order of their creation."""

from __future__ import annotations

from charging_assets.schemas.bridges import (
    BRIDGE_EVSE_ALIAS,
    BRIDGE_EVSE_CAPABILITY,
    BRIDGE_STATION_OPENING,
)
from charging_assets.schemas.dimensions import (
    CONNECTOR_ATTRIBUTES,
    DIM_CONNECTOR,
    DIM_EVSE,
    DIM_STATION,
    DIM_TIME,
    ENTITY_OBSERVATION,
    ENTITY_POLL,
    ENTITY_VERSION,
    EVSE_ATTRIBUTES,
    STATION_ATTRIBUTES,
)
from charging_assets.schemas.facts import (
    FACT_CHARGING_SESSION,
    FACT_POLL,
    FACT_STATUS,
)
from charging_assets.schemas.table import Table

WAREHOUSE_TABLES: tuple[Table, ...] = (
    ENTITY_OBSERVATION,
    ENTITY_POLL,
    ENTITY_VERSION,
    STATION_ATTRIBUTES,
    EVSE_ATTRIBUTES,
    CONNECTOR_ATTRIBUTES,
    DIM_STATION,
    DIM_EVSE,
    DIM_CONNECTOR,
    BRIDGE_STATION_OPENING,
    BRIDGE_EVSE_CAPABILITY,
    BRIDGE_EVSE_ALIAS,
    FACT_POLL,
    FACT_STATUS,
    DIM_TIME,
    FACT_CHARGING_SESSION,
)

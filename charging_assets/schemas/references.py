"""References between tables, by name.

They are documentation and the basis of checks; no engine enforces them.
"""

from __future__ import annotations

from charging_assets.schemas.table import Reference

_POLL = ("feed", "place", "slot_at")
FLAT_POLL = Reference(_POLL, "staging.flat_polls", _POLL)
POLL = Reference(_POLL, "warehouse.fact_poll", _POLL)
STATION = Reference(("station_key",), "warehouse.dim_station", ("station_key",), as_of=True)
EVSE = Reference(("evse_key",), "warehouse.dim_evse", ("evse_key",), as_of=True)
STATION_VERSION = Reference(
    ("station_key", "valid_from"), "warehouse.dim_station", ("station_key", "valid_from")
)
EVSE_VERSION = Reference(
    ("evse_key", "valid_from"), "warehouse.dim_evse", ("evse_key", "valid_from")
)
FORMER_EVSE = Reference(("former_evse_key",), "warehouse.dim_evse", ("evse_key",), as_of=True)
TIME = Reference(
    ("slot_at", "time_zone"), "warehouse.dim_time", ("slot_at", "time_zone"), as_of=True
)
_ENTITY = ("entity_type", "entity_key")
VERSION = Reference(_ENTITY, "warehouse.entity_version", _ENTITY, as_of=True)


def attributes(entity: str) -> Reference:
    """The reference from a version in a dimension to its attribute state."""
    columns = (f"{entity}_key", "attribute_hash")
    return Reference(columns, f"warehouse.{entity}_attributes", columns)

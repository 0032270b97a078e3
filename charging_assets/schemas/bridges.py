"""Bridge tables for multi-valued attributes: opening hours, capabilities, former identities."""

from __future__ import annotations

from charging_assets.schemas import flat, references
from charging_assets.schemas.dimensions import FIRST_PLACE, IS_CURRENT, VALID_FROM, VALID_TO
from charging_assets.schemas.table import (
    Column,
    Table,
    Type,
    at,
    flag,
    key,
    text,
)

BRIDGE_STATION_OPENING = Table(
    schema="warehouse",
    name="bridge_station_opening",
    grain="one row per station, version, weekday (or holidays) and time in which it is open",
    key=("station_key", "valid_from", "day_number", "opens_min"),
    columns=(
        flat.STATION_KEY,
        flat.FEED,
        FIRST_PLACE,
        flat.STATION_ID,
        Column("day_number", Type.SMALLINT, "local weekday: 1 Monday to 7 Sunday; 8 holidays",
               nullable=False),
        flag("is_holiday", "applies on holidays, on any weekday", nullable=False),
        Column("opens_min", Type.SMALLINT, "opening time, in minutes after local midnight",
               unit="minutes", nullable=False),
        Column("closes_min", Type.SMALLINT, "closing time (exclusive), in minutes after local "
               "midnight; 1440 if it is open until midnight or longer", unit="minutes",
               nullable=False),
        VALID_FROM,
        VALID_TO,
        IS_CURRENT,
    ),
    hour_column=None,
    distribution="ALL",
    references=(references.STATION_VERSION,),
)  # fmt: skip

BRIDGE_EVSE_CAPABILITY = Table(
    schema="warehouse",
    name="bridge_evse_capability",
    grain="one row per EVSE, version and capability that it has",
    key=("evse_key", "valid_from", "capability"),
    columns=(
        flat.EVSE_KEY,
        flat.FEED,
        FIRST_PLACE,
        flat.EVSE_UID,
        text("capability", 1024, "OCPI capability such as RFID_READER", nullable=False),
        VALID_FROM,
        VALID_TO,
        IS_CURRENT,
    ),
    hour_column=None,
    distribution="ALL",
    references=(references.EVSE_VERSION,),
)

BRIDGE_EVSE_ALIAS = Table(
    schema="warehouse",
    name="bridge_evse_alias",
    grain="one row per EVSE, former identity and time at which it changed",
    key=("evse_key", "former_evse_key", "changed_at"),
    columns=(
        flat.EVSE_KEY,
        flat.FEED,
        FIRST_PLACE,
        flat.EVSE_UID,
        text("evse_id", 64, "EVSE-ID since the change"),
        key("former_evse_key", "key of the former EVSE: its own key if it was relabelled"),
        text("former_evse_uid", 128, "uid of that EVSE", nullable=False),
        text("former_evse_id", 64, "EVSE-ID before"),
        at("changed_at", "first slot of the new identity"),
        text("reason", 32, "relabelled (observed: the uid has a new EVSE-ID), same_evse_id or "
             "same_position (inferred: first observed within 30 days after the other EVSE "
             "disappeared, with its EVSE-ID, or its station and physical reference)",
             nullable=False),
        flag("is_guess", "inferred, not published by the source", nullable=False),
    ),
    hour_column=None,
    distribution="ALL",
    references=(references.EVSE, references.FORMER_EVSE,),
)  # fmt: skip

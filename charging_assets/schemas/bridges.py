"""Bridges: what a version has several of, as rows.

Belongs here: columns, keys and grain of opening hours, capabilities and former identities. Does not
belong here: how rows are derived (`sql/`).
"""

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
        flag("is_holiday", "holds on holidays, whatever their weekday", nullable=False),
        Column("opens_min", Type.SMALLINT, "from so many minutes after local midnight",
               unit="minutes", nullable=False),
        Column("closes_min", Type.SMALLINT, "until before so many minutes after local midnight; "
               "1440 where it stays open until midnight, or beyond", unit="minutes",
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
        text("capability", 1024, "capability, of OCPI's such as RFID_READER", nullable=False),
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
        text("evse_id", 64, "EVSE-ID since then"),
        key("former_evse_key", "EVSE that it was before: itself where it was relabelled"),
        text("former_evse_uid", 128, "uid of that EVSE", nullable=False),
        text("former_evse_id", 64, "EVSE-ID before"),
        at("changed_at", "first slot of the new identity"),
        text("reason", 32, "relabelled (seen: the same uid has another EVSE-ID), same_evse_id or "
             "same_position (guessed: first seen within 30 days after the other disappeared, with "
             "its EVSE-ID, or its station and physical reference)", nullable=False),
        flag("is_guess", "nothing that was published says so", nullable=False),
    ),
    hour_column=None,
    distribution="ALL",
    references=(references.EVSE, references.FORMER_EVSE,),
)  # fmt: skip

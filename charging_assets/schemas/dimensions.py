"""Dimension tables, and the observation tables from which their versions are derived."""

from __future__ import annotations

from charging_assets import names
from charging_assets.schemas import flat, references
from charging_assets.schemas.table import (
    Column,
    Reference,
    Table,
    Type,
    at,
    count,
    flag,
    key,
    text,
)

VALID_FROM = at("valid_from", "first slot of the version")
VALID_TO = at(
    "valid_to",
    "first slot after the version: that of the next version, or of the first good poll without "
    "the entity; null while it is current",
    nullable=True,
)
IS_CURRENT = flag(
    "is_current",
    "the version is the latest, and the entity has not disappeared; false for all versions of an "
    "entity that has disappeared",
    nullable=False,
)
CLOSE_REASON = text(
    "close_reason",
    32,
    "why the version ended: changed, moved (to another place of the feed) or disappeared; null "
    "while it is current",
)
FIRST_PLACE = text(
    "place",
    names.PLACE.max_bytes,
    "place that publishes the entity; of several places the first by name, but for an EVSE and "
    "its connectors a place with another status takes precedence over PLANNED, and PLANNED over "
    "REMOVED",
    nullable=False,
)
ENTITY_TYPE = text("entity_type", 16, "station, evse or connector", nullable=False)
ENTITY_KEY = key("entity_key", "key of the entity")

ENTITY_OBSERVATION = Table(
    schema="warehouse",
    name="entity_observation",
    grain="one row per entity, hour and distinct attribute state observed",
    key=("entity_type", "entity_key", "slot_at", "attribute_hash"),
    columns=(
        flat.SLOT_AT,
        flat.LAST_SLOT_AT,
        ENTITY_TYPE,
        ENTITY_KEY,
        flat.ATTRIBUTE_HASH,
        flat.FEED,
        FIRST_PLACE,
        flat.POLL_COUNT,
    ),
    distribution="entity_key",
    references=(references.VERSION,),
    sort_key=("slot_at",),
)

ENTITY_POLL = Table(
    schema="warehouse",
    name="entity_poll",
    grain="one row per entity type, feed and good poll of a place",
    key=("entity_type", "feed", "place", "slot_at"),
    columns=(
        flat.SLOT_AT,
        ENTITY_TYPE,
        flat.FEED,
        flat.PLACE,
        count("record_count", "entities of the type in the response", "entities"),
    ),
    sort_key=("slot_at",),
)

ENTITY_VERSION = Table(
    schema="warehouse",
    name="entity_version",
    grain="one row per entity and run of one attribute state in one place (SCD type 2)",
    key=("entity_type", "entity_key", "valid_from"),
    columns=(
        ENTITY_TYPE,
        ENTITY_KEY,
        flat.ATTRIBUTE_HASH,
        flat.FEED,
        FIRST_PLACE,
        VALID_FROM,
        VALID_TO,
        CLOSE_REASON,
        at(
            "seen_until", "last slot in which it was observed, if it has disappeared", nullable=True
        ),
    ),
    hour_column=None,
    distribution="ALL",
)


def _attributes(
    entity: str, key_column: Column, id_column: Column, columns: tuple[Column, ...]
) -> Table:
    return Table(
        schema="warehouse",
        name=f"{entity}_attributes",
        grain=f"one row per {entity} and distinct attribute state",
        key=(key_column.name, "attribute_hash"),
        columns=(
            key_column, flat.ATTRIBUTE_HASH, id_column, flat.IDENTITY_HASH, *columns,
        ),
        hour_column=None,
        distribution="ALL",
    )  # fmt: skip


def _dimension(
    entity: str,
    key_column: Column,
    id_column: Column,
    columns: tuple[Column, ...],
    to: tuple[Reference, ...] = (),
) -> Table:
    return Table(
        schema="warehouse",
        name=f"dim_{entity}",
        grain=f"one row per {entity} and run of equal attributes (SCD type 2)",
        key=(key_column.name, "valid_from"),
        columns=(
            key_column, flat.FEED, FIRST_PLACE, id_column, flat.ATTRIBUTE_HASH, *columns,
            VALID_FROM, VALID_TO, IS_CURRENT, CLOSE_REASON,
        ),
        hour_column=None,
        references=(references.attributes(entity), *to),
        distribution="ALL",
    )  # fmt: skip


_STATION = ("station", flat.STATION_KEY, flat.STATION_ID, flat.STATION_ATTRIBUTES)
_EVSE = ("evse", flat.EVSE_KEY, flat.EVSE_UID, flat.EVSE_ATTRIBUTES)
_CONNECTOR = ("connector", flat.CONNECTOR_KEY, flat.CONNECTOR_ID, flat.CONNECTOR_ATTRIBUTES)

STATION_ATTRIBUTES, DIM_STATION = _attributes(*_STATION), _dimension(*_STATION)
EVSE_ATTRIBUTES, DIM_EVSE = _attributes(*_EVSE), _dimension(*_EVSE, (references.STATION,))
CONNECTOR_ATTRIBUTES = _attributes(*_CONNECTOR)
DIM_CONNECTOR = _dimension(*_CONNECTOR, (references.EVSE,))

DIM_TIME = Table(
    schema="warehouse",
    name="dim_time",
    grain="one row per UTC hour and time zone of a feed that was polled in it",
    key=("slot_at", "time_zone"),
    columns=(
        at("slot_at", "start of the UTC hour"),
        text("time_zone", names.TIME_ZONE_MAX_BYTES, "time zone", nullable=False),
        Column("local_at", Type.TIMESTAMP, "local time at its start", unit="local time",
               nullable=False),
        Column("local_date", Type.TIMESTAMP, "midnight of its local day", unit="local time",
               nullable=False),
        Column("local_hour", Type.SMALLINT, "local hour of the day, 0 to 23", nullable=False),
        Column("weekday", Type.SMALLINT, "local weekday: 1 Monday to 7 Sunday", nullable=False),
        Column("utc_offset_min", Type.SMALLINT, "local time minus UTC", unit="minutes",
               nullable=False),
        Column("fold", Type.SMALLINT, "1 for the repeated local hour at the end of summer time, "
               "else 0", nullable=False),
    ),
    distribution="ALL",
    sort_key=("slot_at",),
)  # fmt: skip

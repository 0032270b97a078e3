"""The warehouse: dimensions and facts.

Belongs here: columns, keys and grain of schema `warehouse`. Does not belong here: how rows are
derived (`sql/`) or loaded (`modelling`).
"""

from __future__ import annotations

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
    number,
    text,
)

VALID_FROM = at("valid_from", "first slot of the version")
VALID_TO = at(
    "valid_to",
    "first slot that is no longer of the version: of the next one, or of the first good poll "
    "without the entity; null while it is current",
    nullable=True,
)
IS_CURRENT = flag("is_current", "the version is the latest", nullable=False)
CLOSE_REASON = text(
    "close_reason",
    32,
    "why the version ended: changed, moved (to another place of the feed) or disappeared; null "
    "while it is current",
)
FIRST_PLACE = text(
    "place", 128, "place that publishes the entity (the first by name, of several)", nullable=False
)
ENTITY_TYPE = text("entity_type", 16, "station, evse or connector", nullable=False)
ENTITY_KEY = key("entity_key", "key of the entity")

ENTITY_SIGHTING = Table(
    schema="warehouse",
    name="entity_sighting",
    grain="one row per entity, hour and distinct attribute state seen",
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
        count("record_count", "entities of the type that the answer told of", "entities"),
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
        at("seen_until", "last slot in which it was seen, where it has disappeared", nullable=True),
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
        grain=f"one row per {entity} and distinct attribute state ever seen",
        key=(key_column.name, "attribute_hash"),
        columns=(key_column, flat.ATTRIBUTE_HASH, flat.FEED, id_column, *columns),
        hour_column=None,
        distribution="ALL",
    )


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

FACT_POLL = Table(
    schema="warehouse",
    name="fact_poll",
    grain="one row per feed, slot and place: what the place answered in that poll",
    key=flat.FLAT_POLLS.key,
    columns=flat.FLAT_POLLS.columns,
    references=(references.TIME,),
    sort_key=("slot_at",),
)

FACT_STATUS = Table(
    schema="warehouse",
    name="fact_status",
    grain=(
        "one row per feed, place, EVSE and run of equal status, parking status and connector "
        "overrides within an hour; a run ends at a change, at an absence from a good poll, or at "
        "a gap of over 2.5 cadences"
    ),
    key=("feed", "place", "evse_key", "slot_at"),
    columns=(
        flat.SLOT_AT,
        flat.FEED,
        flat.PLACE,
        flat.EVSE_KEY,
        flat.EVSE_UID,
        flat.STATUS,
        flat.PARKING_STATUS,
        flat.OVERRIDES,
        at("first_slot_at", "first slot of the run (the same as slot_at)"),
        flat.LAST_SLOT_AT,
        flat.POLL_COUNT,
    ),
    distribution="evse_key",
    references=(
        references.POLL,
        references.EVSE,
    ),
    sort_key=("slot_at",),
)

DIM_TIME = Table(
    schema="warehouse",
    name="dim_time",
    grain="one row per UTC hour and time zone of a feed that was polled in it",
    key=("slot_at", "time_zone"),
    columns=(
        at("slot_at", "start of the UTC hour"),
        text("time_zone", 64, "time zone", nullable=False),
        Column("local_at", Type.TIMESTAMP, "local time at its start", unit="local time",
               nullable=False),
        Column("local_date", Type.TIMESTAMP, "midnight of its local day", unit="local time",
               nullable=False),
        Column("local_hour", Type.SMALLINT, "local hour of the day, 0 to 23", nullable=False),
        Column("weekday", Type.SMALLINT, "local weekday: 1 Monday to 7 Sunday", nullable=False),
        Column("utc_offset_min", Type.SMALLINT, "local time minus UTC", unit="minutes",
               nullable=False),
        Column("fold", Type.SMALLINT, "1 where the local hour is one that was there before "
               "(the end of summer time), else 0", nullable=False),
    ),
    distribution="ALL",
    sort_key=("slot_at",),
)  # fmt: skip

FACT_CHARGING_SESSION = Table(
    schema="warehouse",
    name="fact_charging_session",
    grain="one row per feed, EVSE and maximal run of CHARGING, across hours",
    key=("feed", "evse_key", "slot_at"),
    columns=(
        at("slot_at", "first slot in which it was CHARGING"),
        at("last_slot_at", "last slot in which it was CHARGING"),
        flat.FEED,
        flat.PLACE,
        flat.EVSE_KEY,
        flat.EVSE_UID,
        at("started_after", "no earlier than: the request before, that was not CHARGING; null "
           "where that was not seen", nullable=True),
        at("started_before", "no later than: the first answer that was CHARGING"),
        at("started_at", "middle of these two; null where the start is censored", nullable=True),
        at("ended_after", "no earlier than: the last request that was CHARGING"),
        at("ended_before", "no later than: the answer after, that was not CHARGING; null where "
           "that was not seen", nullable=True),
        at("ended_at", "middle of these two; null where the end is censored", nullable=True),
        flag("is_start_censored", "its start was not seen", nullable=False),
        flag("is_end_censored", "its end was not seen, or not yet", nullable=False),
        flag("is_stuck", "CHARGING for over 7 days; the row ends there, censored", nullable=False),
        count("poll_count", "good polls that were CHARGING", "polls"),
        count("bridged_poll_count", "single polls of unknown status within it", "polls"),
        number("duration_min_s", "time charging that is certain", "seconds"),
        number("duration_s", "from started_at to ended_at; null where one is", "seconds"),
        number("duration_max_s", "the longest that it can have been; null where censored",
               "seconds"),
        number("idle_after_s", "time BLOCKED directly after, of at most 24 hours", "seconds"),
        number("max_power_kw", "greatest power of the EVSE's connectors at its start", "kW"),
        number("energy_min_kwh", "least energy if current flowed all the time (6 A, 230 V): a "
               "bound, not measured", "kWh"),
        number("energy_max_kwh", "most energy: a bound, not measured; null where the power or "
               "the longest duration is", "kWh"),
        Column("rule_version", Type.SMALLINT, "version of the rules that told it", nullable=False),
    ),
    hour_column=None,
    distribution="evse_key",
    references=(references.POLL, references.EVSE,),
    sort_key=("slot_at",),
)  # fmt: skip

WAREHOUSE_TABLES: tuple[Table, ...] = (
    ENTITY_SIGHTING,
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

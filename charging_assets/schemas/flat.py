"""The flat tables: the output of preprocessing one hour of raw responses.

The attributes of stations, EVSEs and connectors are also those of the dimensions.
"""

from __future__ import annotations

from charging_assets import names
from charging_assets.schemas import references
from charging_assets.schemas.table import (
    Column,
    Table,
    Type,
    at,
    count,
    flag,
    json,
    key,
    number,
    text,
)
from charging_assets.schemas.units import DEGREES

# Part of every flat file. A file of another version is not loaded, but flattened again.
SCHEMA_VERSION = 4

SLOT_AT = at(
    "slot_at", "first slot of the row, by this program's clock; its UTC hour is the partition"
)
FEED = text("feed", names.FEED.max_bytes, "feed that was polled", nullable=False)
PLACE = text("place", names.PLACE.max_bytes, "place of the feed", nullable=False)
LAST_SLOT_AT = at("last_slot_at", "last slot of the row")
POLL_COUNT = count("poll_count", "good polls of its place that the row covers", "polls")
ATTRIBUTE_HASH = key(
    "attribute_hash", "hash of all attributes that are not null, independent of their order"
)

IDENTITY_HASH = key(
    "identity_hash",
    "second hash of the input of the key; differs if two ids have the same key",
    nullable=True,
)

STATION_KEY = key(
    "station_key",
    "hash of network and station id, and of the place where ids are unique within one",
)
STATION_ID = text(
    "station_id", 128, "station id as published, white space trimmed and collapsed", nullable=False
)
EVSE_KEY = key(
    "evse_key",
    "hash of network and EVSE uid, and of the place or station where uids are unique within one",
)
EVSE_UID = text(
    "evse_uid", 128, "EVSE uid as published, white space trimmed and collapsed", nullable=False
)
CONNECTOR_KEY = key("connector_key", "hash of network, ids of the EVSE, and connector id")
CONNECTOR_ID = text(
    "connector_id",
    128,
    "connector id as published, trimmed likewise; unique within its EVSE",
    nullable=False,
)

EXTRA = json("extra", "published fields unknown to this version", 24_000)

UNTRIMMED_EXAMPLE = json(
    "untrimmed_example", "the first of these texts: column, station_id, text", 4_000
)

UNKNOWN_FIELDS = json("unknown_fields", "fields unknown to this version (schema drift)")

STATION_ATTRIBUTES: tuple[Column, ...] = (
    text("name", 512, "name of the station"),
    text("address", 512, "street and number"),
    text("city", 256, "city"),
    text("postal_code", 16, "postal code"),
    text("country", 3, "ISO 3166-1 alpha-2 country (alpha-3 where no alpha-2 is known)"),
    number("latitude", "WGS 84 latitude, 6 decimals", DEGREES, minimum=-90, maximum=90),
    number("longitude", "WGS 84 longitude, 6 decimals", DEGREES, minimum=-180, maximum=180),
    text("directions", 8192, "how to find the station"),
    text("comment", 4096, "public comment"),
    text("operator_id", 64, "operator's id"),
    text("operator_name", 256, "operator's name"),
    text("operator_hotline", 64, "operator's telephone number"),
    text("owner", 256, "owner of the station"),
    text("publication_status", 32, "the source's own status of the record, such as active"),
    flag("is_roaming", "published as a roaming partner's station"),
    flag("is_open_24_7", "open at all hours"),
    json(
        "opening_hours",
        "regular local hours: weekday (1 Monday … 7, or holiday), period_begin, period_end",
        16_000,
    ),
    json("tariff_zones", "tariff zones, sorted", 8_000),
    EXTRA,
)

EVSE_ATTRIBUTES: tuple[Column, ...] = (
    key("station_key", "station of the EVSE"),
    STATION_ID,
    text("evse_id", 64, "EVSE-ID (DE*REK*E00025*001); operators relabel it"),
    text("physical_reference", 256, "label on the EVSE"),
    text("floor_level", 256, "floor"),
    text("vehicle_type", 64, "types of vehicles it serves"),
    text("charging_point_position", 512, "position of the charging point at the station"),
    text("charging_station_position", 512, "position of the station"),
    text("parking_space_numbers", 256, "numbers of its parking spaces"),
    text("public_comment", 4096, "public comment"),
    flag("is_roaming", "published as a roaming partner's EVSE"),
    flag("is_reservable", "can be reserved"),
    json("capabilities", "OCPI capabilities, sorted", 16_000),
    EXTRA,
)

# Plausible ranges of connectors; a value in another unit is outside of them.
# Voltage: IEC 61851-1 covers up to 1,500 V of direct current. Current: the Megawatt Charging System
# ends at 3,000 A (CharIN, 1,250 V). Power: the strongest chargers give 1,500 kW (BYD Flash, Huawei,
# 2025 and 2026). MCS allows 3,750 kW, but that limit would let 2,300 W pass as 2,300 kW.
# Lower ends: IEC 61851-1 begins at 6 A, 0.7 kW at 120 V. Values in MW, kA and kV fall below them.
CONNECTOR_ATTRIBUTES: tuple[Column, ...] = (
    key("evse_key", "EVSE that the connector belongs to"),
    EVSE_UID,
    text("standard", 64, "OCPI connector standard, such as IEC_62196_T2"),
    text("format", 32, "SOCKET or CABLE"),
    text("power_type", 32, "AC_1_PHASE, AC_3_PHASE or DC"),
    number("ampere", "greatest current", "A", minimum=1, maximum=3_000),
    number("voltage", "voltage", "V", minimum=10, maximum=1_500),
    number("max_power_kw", "greatest power", "kW", minimum=0.5, maximum=1_500),
    text("tariff_id", 128, "tariff's id"),
    EXTRA,
)

FLAT_POLLS = Table(
    schema="staging",
    name="flat_polls",
    grain="one row per feed, slot and place: the outcome of the poll",
    key=("feed", "place", "slot_at"),
    columns=(
        SLOT_AT,
        FEED,
        text(
            "feed_kind",
            names.KIND.max_bytes,
            "kind of the feed, which defines how its responses are parsed",
            nullable=False,
        ),
        text("time_zone", names.TIME_ZONE_MAX_BYTES, "the feed's own time zone", nullable=False),
        PLACE,
        text(
            "outcome",
            32,
            "ok or not_modified (HTTP 304: as the poll before), or why there is no answer",
            nullable=False,
        ),
        flag(
            "is_imported",
            "imported from another archive, not polled by this program",
            nullable=False,
        ),
        at("requested_at", "when the request was sent", nullable=True),
        at("observed_at", "the source's own timestamp of the response", nullable=True),
        count("cadence_s", "time between two polls", "seconds"),
        count("elapsed_ms", "duration of the request", "milliseconds", nullable=True),
        Column("http_status", Type.SMALLINT, "HTTP status"),
        count("body_bytes", "size of the response", "bytes"),
        text("raw_key", 512, "raw object with the response", nullable=False),
        count(
            "answer_count",
            "responses archived for this slot and place; the good response with the earliest "
            "request is used, or the earliest of all if none is good",
        ),
        count("station_count", "station records in the response"),
        count("station_rejected_count", "station records rejected"),
        count("evse_count", "EVSE records in the response"),
        count("evse_rejected_count", "EVSE records rejected"),
        count("connector_count", "connector records in the response"),
        count("connector_rejected_count", "connector records rejected"),
        count("status_count", "statuses in the response: one for each EVSE record"),
        count("status_rejected_count", "statuses rejected, with their EVSE records"),
        count(
            "carried_count",
            "statuses left unchanged by a response that is not complete: those of EVSEs that it "
            "leaves out",
        ),
        flag(
            "is_complete",
            "an EVSE that the response leaves out is absent; false: it is unchanged (a delta); "
            "null if there is no usable response",
        ),
        count("field_rejected_count", "fields set to null because of an invalid value"),
        Column("schema_fingerprint", Type.BIGINT, "hash of the field names in the response"),
        UNKNOWN_FIELDS,
        count(
            "untrimmed_count",
            "texts of stations published with leading, trailing or repeated white space, except "
            "directions and comments",
        ),
        UNTRIMMED_EXAMPLE,
    ),
    sort_key=("slot_at",),
    order=("feed", "place", "slot_at"),
)

FLAT_STATIONS = Table(
    schema="staging",
    name="flat_stations",
    grain="one row per feed, place, station and distinct attribute state in the hour",
    key=("feed", "place", "station_key", "attribute_hash"),
    columns=(
        SLOT_AT, LAST_SLOT_AT, POLL_COUNT, FEED, PLACE, STATION_KEY, ATTRIBUTE_HASH, STATION_ID,
        IDENTITY_HASH,
        *STATION_ATTRIBUTES,
    ),
    references=(references.FLAT_POLL,),
    sort_key=("slot_at",),
    order=("feed", "place", "station_key", "slot_at", "attribute_hash"),
)  # fmt: skip

FLAT_EVSES = Table(
    schema="staging",
    name="flat_evses",
    grain="one row per feed, place, EVSE and distinct attribute state in the hour",
    key=("feed", "place", "evse_key", "attribute_hash"),
    columns=(
        SLOT_AT, LAST_SLOT_AT, POLL_COUNT, FEED, PLACE, EVSE_KEY, ATTRIBUTE_HASH, EVSE_UID,
        IDENTITY_HASH,
        *EVSE_ATTRIBUTES,
    ),
    distribution="evse_key",
    references=(references.FLAT_POLL,),
    sort_key=("slot_at",),
    order=("feed", "place", "evse_key", "slot_at", "attribute_hash"),
)  # fmt: skip

FLAT_CONNECTORS = Table(
    schema="staging",
    name="flat_connectors",
    grain="one row per feed, place, connector and distinct attribute state in the hour",
    key=("feed", "place", "connector_key", "attribute_hash"),
    columns=(
        SLOT_AT, LAST_SLOT_AT, POLL_COUNT, FEED, PLACE, CONNECTOR_KEY, ATTRIBUTE_HASH, CONNECTOR_ID,
        IDENTITY_HASH,
        *CONNECTOR_ATTRIBUTES,
    ),
    distribution="evse_key",
    references=(references.FLAT_POLL,),
    sort_key=("slot_at",),
    order=("feed", "place", "connector_key", "slot_at", "attribute_hash"),
)  # fmt: skip

STATUS = text("status", 16, "OCPI status; null if it could not be parsed")
STATUS_PUBLISHED = text(
    "status_published",
    64,
    "the source's own word for the status, white space trimmed and collapsed; null if it publishes "
    "none, or no text of this length",
)
# Read from records; runs have the first and the last of their polls.
STATUS_CHANGED_AT = at(
    "status_changed_at", "when the status changed, by the source's clock", nullable=True
)
FIRST_STATUS_CHANGED_AT = at(
    "first_status_changed_at",
    "when the status changed, by the source's clock: the first time published in the run",
    nullable=True,
)
LAST_STATUS_CHANGED_AT = at(
    "last_status_changed_at",
    "the last time published in the run; differs from the first if the source reports a change to "
    "the same status",
    nullable=True,
)
PARKING_STATUS = text("parking_status", 32, "the parking sensor's status, such as OCCUPIED")
OVERRIDES = json(
    "connector_status_overrides",
    "connectors whose status differs from that of the EVSE: connector id → status, null if it "
    "could not be parsed; connectors without a status are left out",
)

RUN_GRAIN = (
    "one row per feed, place, EVSE and run of equal status, published status, parking status and "
    "connector overrides within an hour; a run ends at a change, at an absence from a good "
    "complete poll, or at a gap of over 2.5 cadences"
)

FLAT_STATUS = Table(
    schema="staging",
    name="flat_status",
    grain=RUN_GRAIN,
    key=("feed", "place", "evse_key", "slot_at"),
    columns=(
        SLOT_AT,
        LAST_SLOT_AT,
        POLL_COUNT,
        FEED,
        PLACE,
        EVSE_KEY,
        EVSE_UID,
        STATUS,
        STATUS_PUBLISHED,
        PARKING_STATUS,
        OVERRIDES,
        FIRST_STATUS_CHANGED_AT,
        LAST_STATUS_CHANGED_AT,
    ),
    distribution="evse_key",
    references=(references.FLAT_POLL,),
    sort_key=("slot_at",),
    order=("evse_key", "place", "slot_at"),
)

FLAT_REJECTS = Table(
    schema="ops",
    name="flat_rejects",
    grain="one row per rejected body, record or field of a poll: the first 1,000 records and 1,000 "
    "fields; and one per severity, entity and code for those that are not listed",
    key=("feed", "place", "slot_at", "entity", "pointer", "code"),
    columns=(
        SLOT_AT,
        FEED,
        PLACE,
        text("raw_key", 512, "raw object with the response", nullable=False),
        text("stage", 16, "step that rejected it", nullable=False),
        text("severity", 16, "body, record or field: the extent of the reject", nullable=False),
        text("entity", 16, "poll, station, evse or connector", nullable=False),
        text("entity_id", 128, "published id, if known"),
        text(
            "pointer",
            1024,
            "JSON pointer into the response; in a row that counts unlisted rejects it ends in "
            "/unlisted/ and the severity",
            nullable=False,
        ),
        text("code", 32, "code of the problem", nullable=False),
        count(
            "reject_count",
            "bodies, records or fields that the row covers; the sum is the number of rejects",
        ),
        text("fragment", 1024, "the value, cut to 1,024 bytes"),
        key("entity_key", "key of the record, for code duplicate_key only", nullable=True),
        Column(
            "identity_hash",
            Type.BIGINT,
            "second hash of the ids of `entity_key`; differs from that of the loaded record if two "
            "ids have the same key",
        ),
    ),
    references=(references.FLAT_POLL,),
    sort_key=("slot_at",),
    order=("feed", "place", "slot_at", "pointer", "entity", "code"),
)

FLAT_TABLES: tuple[Table, ...] = (
    FLAT_POLLS,
    FLAT_STATIONS,
    FLAT_EVSES,
    FLAT_CONNECTORS,
    FLAT_STATUS,
    FLAT_REJECTS,
)

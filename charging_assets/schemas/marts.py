"""Mart tables: utilisation and reliability in observed seconds.

`docs/metrics.md` explains the metrics, `sql/marts` derives the rows.
"""

from __future__ import annotations

from charging_assets import names
from charging_assets.schemas import flat, references
from charging_assets.schemas.table import Column, Table, Type, at, count, key, number, text


def _seconds(name: str, meaning: str, *, nullable: bool = False) -> Column:
    return Column(name, Type.BIGINT, meaning, unit="seconds", nullable=nullable)


def _share(name: str, meaning: str) -> Column:
    return number(name, f"{meaning}; null where coverage is below 0.8", "share of 1")


HOUR_AT = at("slot_at", "start of the UTC hour")
LOCAL_DATE = Column(
    "local_date", Type.TIMESTAMP, "day in the feed's time zone (its midnight, local time)",
    nullable=False,
)  # fmt: skip
DAY_FROM = at("slot_at", "UTC instant at which the local day begins")
DAY_TO = at("ends_at", "UTC instant at which the local day ends")
POWER_CLASS = text(
    "power_class",
    16,
    "ac, dc (below 100 kW, or of no known power), hpc (from 100 kW) or unknown",
    nullable=False,
)

STATUS_SECONDS: tuple[Column, ...] = (
    _seconds("observed_s", "EVSE time covered by good polls"),
    _seconds("available_s", "of it AVAILABLE"),
    _seconds("charging_s", "of it CHARGING"),
    _seconds("reserved_s", "of it RESERVED"),
    _seconds("blocked_s", "of it BLOCKED"),
    _seconds("inoperative_s", "of it INOPERATIVE"),
    _seconds("out_of_order_s", "of it OUTOFORDER"),
    _seconds("unknown_s", "of it UNKNOWN, any other status, or a status that could not be parsed"),
)

WINDOW_S = _seconds(
    "window_s",
    "observable EVSE time: the hour; or the local day, without the time before an EVSE appeared or "
    "after it disappeared; for a month including days without rows",
)

METRICS: tuple[Column, ...] = (
    number("coverage", "observed / window, at most 1", "share of 1"),
    _share("utilisation", "CHARGING / operable"),
    _share("occupancy", "(CHARGING + RESERVED + BLOCKED) / operable"),
    _share("availability", "operable / observed"),
    number(
        "reliability",
        "1 - (INOPERATIVE + OUTOFORDER) / observed; null where coverage is below 0.8, or the "
        "status is known for less than a fifth of the observed time",
        "share of 1",
    ),
)

SESSION_EXPOSURE_S = _seconds(
    "session_exposure_s", "EVSE time in which the start of a session would have been observed"
)

SATURATION: tuple[Column, ...] = (
    _seconds("station_operable_s", "time in which at least one EVSE was operable"),
    _seconds("saturated_s", "of it, time in which every operable EVSE was occupied and none "
             "unknown: certainly full"),
    _seconds("saturated_or_unknown_s", "of it, time in which every operable EVSE was occupied, "
             "regardless of unknown ones: possibly full"),
)  # fmt: skip

SESSION_COUNTS: tuple[Column, ...] = (
    count("session_count", "charging sessions whose start was observed", "sessions"),
    SESSION_EXPOSURE_S,
    count("ended_session_count", "sessions that ended, with both ends observed", "sessions"),
    _seconds("dwell_s", "total duration of these"),
)

MART_EVSE_HOUR = Table(
    schema="mart",
    name="mart_evse_hour",
    grain="one row per feed, EVSE and UTC hour in which it was observed in a good poll",
    key=("feed", "evse_key", "slot_at"),
    columns=(
        HOUR_AT,
        flat.FEED,
        text("place", names.PLACE.max_bytes, "first by name of the places used for the EVSE in "
             "the hour", nullable=False),
        flat.EVSE_KEY,
        key("station_key", "station of the EVSE at its last poll of the hour",
            nullable=True),
        POWER_CLASS,
        number("max_power_kw", "greatest power of the connectors published at its last poll of "
               "the hour", "kW"),
        count("poll_count", "good polls with the EVSE", "polls"),
        at("first_slot_at", "first slot of the hour with the EVSE"),
        at("last_slot_at", "last slot of the hour with the EVSE"),
        *STATUS_SECONDS,
        WINDOW_S,
        *METRICS,
        SESSION_EXPOSURE_S,
    ),
    distribution="evse_key",
    references=(references.EVSE, references.STATION,),
    sort_key=("slot_at",),
)  # fmt: skip

MART_STATION_HOUR = Table(
    schema="mart",
    name="mart_station_hour",
    grain="one row per feed, station and UTC hour in which one of its EVSEs was observed",
    key=("feed", "station_key", "slot_at"),
    columns=(
        HOUR_AT,
        LOCAL_DATE,
        flat.FEED,
        flat.PLACE,
        flat.STATION_KEY,
        count("evse_count", "EVSEs observed", "EVSEs"),
        *STATUS_SECONDS,
        *SATURATION,
        WINDOW_S,
        SESSION_EXPOSURE_S,
    ),
    references=(references.STATION,),
    sort_key=("slot_at",),
)

MART_STATION_DAY = Table(
    schema="mart",
    name="mart_station_day",
    grain="one row per feed, station and local day on which one of its EVSEs was observed",
    key=("feed", "station_key", "local_date"),
    columns=(
        DAY_FROM,
        LOCAL_DATE,
        DAY_TO,
        flat.FEED,
        flat.PLACE,
        flat.STATION_KEY,
        text("station_name", 512, "name of the station at the end of the day"),
        text("operator_name", 256, "operator's name at the end of the day"),
        count("evse_count", "EVSEs observed", "EVSEs"),
        *STATUS_SECONDS,
        *SATURATION,
        WINDOW_S,
        *METRICS,
        _share("saturation", "saturated / station_operable"),
        *SESSION_COUNTS,
    ),
    hour_column=None,
    references=(references.STATION,),
    sort_key=("slot_at",),
)

MART_CITY_DAY = Table(
    schema="mart",
    name="mart_city_day",
    grain="one row per feed, place (that of the station's local day), power class and local day",
    key=("feed", "place", "power_class", "local_date"),
    columns=(
        DAY_FROM,
        LOCAL_DATE,
        DAY_TO,
        flat.FEED,
        flat.PLACE,
        POWER_CLASS,
        count("station_count", "stations with an observed EVSE of the class", "stations"),
        count("evse_count", "EVSEs observed", "EVSEs"),
        *STATUS_SECONDS,
        WINDOW_S,
        *METRICS,
        *SESSION_COUNTS,
    ),
    hour_column=None,
    sort_key=("slot_at",),
)

MART_OPERATOR_MONTH = Table(
    schema="mart",
    name="mart_operator_month",
    grain="one row per feed, operator and local month",
    key=("feed", "operator_name", "local_month"),
    columns=(
        at("slot_at", "UTC instant at which the local month begins"),
        Column(
            "local_month", Type.TIMESTAMP, "first day of the month in the feed's time zone",
            nullable=False,
        ),
        at("ends_at", "UTC instant at which the window ends: that of the month, or of the feed's "
           "newest good poll if that is sooner"),
        flat.FEED,
        text("operator_name", 256, "operator's name, or (not stated)", nullable=False),
        count("station_count", "stations observed", "stations"),
        count("evse_count", "EVSEs observed: sum of each station's maximum on one day", "EVSEs"),
        count("day_count", "local days with an observation", "days"),
        *STATUS_SECONDS,
        WINDOW_S,
        *METRICS,
        *SESSION_COUNTS,
    ),
    hour_column=None,
    sort_key=("slot_at",),
)  # fmt: skip

# A view, so that queries of large networks do not sum up stations.
CITY_HOUR = Table(
    schema="mart",
    name="city_hour",
    grain="one row per feed, place, operator (those of the station's local day) and UTC hour",
    key=("feed", "place", "operator_name", "slot_at"),
    columns=(
        HOUR_AT,
        flat.FEED,
        flat.PLACE,
        text("operator_name", 256, "operator's name, or (not stated)", nullable=False),
        count("evse_count", "EVSEs observed", "EVSEs"),
        _seconds("observed_s", "EVSE time covered by good polls"),
        _seconds("operable_s", "of it operable"),
        _seconds("charging_s", "of it CHARGING"),
        WINDOW_S,
    ),
    sort_key=("slot_at",),
)

MART_TABLES: tuple[Table, ...] = (
    MART_EVSE_HOUR,
    MART_STATION_HOUR,
    MART_STATION_DAY,
    MART_CITY_DAY,
    MART_OPERATOR_MONTH,
)

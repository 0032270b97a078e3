"""Facts: polls, runs of equal status, charging sessions.

Belongs here: columns, keys and grain of the facts. Does not belong here: how rows are derived
(`sql/facts`).
"""

from __future__ import annotations

from charging_assets.schemas import flat, references
from charging_assets.schemas.table import (
    Column,
    Table,
    Type,
    at,
    count,
    flag,
    number,
)

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
        at("started_after", "no earlier than: the request before, that was not CHARGING (a single "
           "poll of unknown status is looked through); null where that was not seen. Bounds are "
           "by this program's clock; those of imported polls by the answer's, if it is within 15 "
           "minutes of the slot, else the slot", nullable=True),
        at("started_before", "no later than: the earliest answer that was CHARGING"),
        at("started_at", "middle of these two; null where the start is censored", nullable=True),
        at("ended_after", "no earlier than: the latest request that was CHARGING"),
        at("ended_before", "no later than: the answer after, that was not CHARGING (REMOVED and "
           "PLANNED are not; a single poll of unknown status is looked through); null where that "
           "was not seen", nullable=True),
        at("ended_at", "middle of these two; null where the end is censored", nullable=True),
        flag("is_start_censored", "its start was not seen", nullable=False),
        flag("is_end_censored", "its end was not seen, or not yet", nullable=False),
        flag("is_stuck", "one of its runs (rows of fact_status) begins 7 days or more after "
             "slot_at; the row ends with the run before, censored", nullable=False),
        count("poll_count", "good polls that were CHARGING", "polls"),
        count("bridged_poll_count", "single polls of unknown status within it, not "
              "those directly before or after", "polls"),
        number("duration_min_s", "time charging that is certain", "seconds"),
        number("duration_s", "from started_at to ended_at; null where one is", "seconds"),
        number("duration_max_s", "the longest that it can have been; null where censored",
               "seconds"),
        number("idle_after_s", "time BLOCKED directly after, 86,400 at most; null where the end "
               "is censored", "seconds"),
        number("max_power_kw", "greatest power of the EVSE's connectors that was published in the "
               "hour of its first poll", "kW"),
        number("energy_min_kwh", "least energy: always 0, for a status does not show whether "
               "current flows", "kWh"),
        number("energy_max_kwh", "most energy, not measured: duration_max_s at the greater of the "
               "published power and what current and voltage give, of all connectors published "
               "in an hour in which it was CHARGING; null where the longest duration is, or the "
               "power of a connector, or none was published", "kWh"),
        Column("rule_version", Type.SMALLINT, "version of the rules that told it", nullable=False),
    ),
    hour_column=None,
    distribution="evse_key",
    references=(references.POLL, references.EVSE,),
    sort_key=("slot_at",),
)  # fmt: skip

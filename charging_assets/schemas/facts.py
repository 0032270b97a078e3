"""Fact tables: polls, runs of equal status, charging sessions."""

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
    grain="one row per feed, slot and place: the outcome of the poll",
    key=flat.FLAT_POLLS.key,
    columns=flat.FLAT_POLLS.columns,
    references=(references.TIME,),
    sort_key=("slot_at",),
)

FACT_STATUS = Table(
    schema="warehouse",
    name="fact_status",
    grain=flat.RUN_GRAIN,
    key=("feed", "place", "evse_key", "slot_at"),
    columns=(
        flat.SLOT_AT,
        flat.FEED,
        flat.PLACE,
        flat.EVSE_KEY,
        flat.EVSE_UID,
        flat.STATUS,
        flat.STATUS_PUBLISHED,
        flat.PARKING_STATUS,
        flat.OVERRIDES,
        at("first_slot_at", "first slot of the run (the same as slot_at)"),
        flat.LAST_SLOT_AT,
        flat.POLL_COUNT,
        flat.FIRST_STATUS_CHANGED_AT,
        flat.LAST_STATUS_CHANGED_AT,
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
        at("started_after", "lower bound of the start: request time of the previous poll, not "
           "CHARGING (a single poll of unknown status is ignored); null if it was not observed. "
           "Times are by this program's clock; for imported polls, the response's timestamp if it "
           "is within 15 minutes of the slot, else the slot", nullable=True),
        at("started_before", "upper bound of the start: the earliest response with CHARGING"),
        at("started_at", "middle of these two; null if the start is censored", nullable=True),
        at("ended_after", "lower bound of the end: the latest request with CHARGING"),
        at("ended_before", "upper bound of the end: response time of the next poll, not CHARGING "
           "(REMOVED and PLANNED included; a single poll of unknown status is ignored); null if it "
           "was not observed", nullable=True),
        at("ended_at", "middle of these two; null if the end is censored", nullable=True),
        flag("is_start_censored", "the start was not observed", nullable=False),
        flag("is_end_censored", "the end was not observed, or not yet", nullable=False),
        flag("is_stuck", "one of its runs (rows of fact_status) begins 7 days or more after "
             "slot_at; the row ends with the run before, censored", nullable=False),
        count("poll_count", "good polls with CHARGING", "polls"),
        count("bridged_poll_count", "single polls of unknown status within the session, without "
              "those directly before or after", "polls"),
        number("duration_min_s", "shortest possible duration", "seconds"),
        number("duration_s", "from started_at to ended_at; null if one of them is", "seconds"),
        number("duration_max_s", "longest possible duration; null if censored", "seconds"),
        number("idle_after_s", "time BLOCKED directly after, at most 86,400; null if the end is "
               "censored", "seconds"),
        number("max_power_kw", "greatest published power of the EVSE's connectors in the hour of "
               "its first poll", "kW"),
        number("energy_min_kwh", "minimum energy: always 0, since a status does not show whether "
               "current flows", "kWh"),
        number("energy_max_kwh", "maximum energy, not measured: duration_max_s at the greater of "
               "the published power and the power from current and voltage, of all connectors "
               "published in an hour with CHARGING; null if the longest duration or the power of a "
               "connector is unknown, or no connector was published", "kWh"),
        Column("rule_version", Type.SMALLINT, "version of the rules that derived the session",
               nullable=False),
    ),
    hour_column=None,
    distribution="evse_key",
    references=(references.POLL, references.EVSE,),
    sort_key=("slot_at",),
)  # fmt: skip

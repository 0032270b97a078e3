"""A station's tables: shares, sessions, runs, days, and the history of its attributes.

Belongs here: which columns each has. Does not belong here: what is asked of the data (`station`).
"""

from __future__ import annotations

from typing import Any

from charging_assets.dashboard.asked import Asked
from charging_assets.dashboard.blocks import Column, Table
from charging_assets.dashboard.pages import columns
from charging_assets.dashboard.pages.period import Period
from charging_assets.dashboard.reader import Row
from charging_assets.measures import STATUS_COLUMNS


def shares_table(asked: Asked, shares: list[Row], names: dict[int, str], about: str) -> Table:
    words = asked.words
    rows = [
        {
            "evse": names.get(row["evse_key"], "?"),
            "evse_key": row["evse_key"],
            **{name: row[name] for name in ("observed_s", "coverage", *STATUS_COLUMNS.values())},
        }
        for row in shares
    ]
    return Table(
        "shares", words("shares_title"),
        [
            Column("evse", words("evse"),
                   link=lambda row: asked.href(evse=str(row["evse_key"]))),
            columns.hours(asked, "observed_s"),
            *(
                Column(column, words(f"status_{status}"), words.percent, is_number=True)
                for status, column in STATUS_COLUMNS.items()
            ),
            columns.share(asked, "coverage"),
        ],
        rows, f"{about}; {words('share_observed')}",
    )  # fmt: skip


def sessions_table(asked: Asked, sessions: list[Row], names: dict[int, str], about: str) -> Table:
    words = asked.words
    rows = [
        {
            **row,
            "evse": names.get(row["evse_key"], row["evse_uid"]),
            "remark": ", ".join(
                words(name)
                for name in ("is_start_censored", "is_end_censored", "is_stuck")
                if row[name]
            ),
        }
        for row in sessions
    ]
    return Table(
        "sessions", words("sessions_title"),
        [
            columns.text(asked, "evse"),
            columns.time(asked, "started_at"),
            columns.time(asked, "ended_at"),
            columns.duration(asked, "duration_s"),
            columns.duration(asked, "duration_min_s"),
            columns.duration(asked, "duration_max_s"),
            columns.duration(asked, "idle_after_s"),
            columns.decimal(asked, "max_power_kw"),
            columns.decimal(asked, "energy_max_kwh"),
            columns.text(asked, "remark"),
        ],
        rows, f"{about}. {words('sessions_caption')}",
    )  # fmt: skip


def runs_table(asked: Asked, runs: list[Row], names: dict[int, str], about: str) -> Table:
    words = asked.words
    told = columns.status_names(asked)
    rows = [{**run, "evse": names.get(run["evse_key"], "?")} for run in reversed(runs)]
    return Table(
        "runs", words("runs_title"),
        [
            columns.text(asked, "evse"),
            Column("status", words("status"), lambda status: told.get(status, status)),
            columns.time(asked, "first_slot_at"),
            columns.time(asked, "last_slot_at"),
            columns.count(asked, "poll_count"),
        ],
        rows, about,
    )  # fmt: skip


def days_table(asked: Asked, period: Period, days: list[Row], about: str) -> Table:
    shares = ("utilisation", "occupancy", "availability", "reliability")
    held = {row["local_date"]: row for row in days}
    missing: dict[str, Any] = dict.fromkeys((*shares, "coverage", "session_count", "evse_count"))
    rows = [{**missing, "local_date": day, **held.get(day, {})} for day in
            reversed(period.all_days)]  # fmt: skip
    return Table(
        "days", asked.words("city_days"),
        [
            columns.day(asked),
            columns.count(asked, "evse_count"),
            *(columns.share(asked, name) for name in shares),
            columns.count(asked, "session_count"),
            columns.share(asked, "coverage"),
        ],
        rows, about,
    )  # fmt: skip


def station_history(asked: Asked, history: list[Row]) -> Table:
    names = ("name", "address", "postal_code", "city", "operator_name", "owner", "station_id")
    labels = {"name": "station", "city": "city_name", "operator_name": "operator"}
    return Table(
        "history", asked.words("history_title"),
        [
            columns.time(asked, "valid_from"),
            columns.time(asked, "valid_to"),
            columns.text(asked, "close_reason"),
            *(columns.text(asked, name, labels.get(name, name)) for name in names),
            Column("is_open_24_7", asked.words("is_open_24_7"), lambda value: _yes(asked, value)),
        ],
        history, asked.words("history_caption"),
    )  # fmt: skip


def evse_history(asked: Asked, evses: list[Row]) -> Table:
    return Table(
        "evses", asked.words("evse_history_title"),
        [
            columns.text(asked, "evse_id"),
            columns.text(asked, "evse_uid"),
            columns.time(asked, "valid_from"),
            columns.time(asked, "valid_to"),
            columns.text(asked, "close_reason"),
            columns.text(asked, "power_type"),
            columns.decimal(asked, "max_power_kw"),
            columns.count(asked, "connector_count"),
            columns.text(asked, "physical_reference"),
        ],
        evses, asked.words("history_caption"),
    )  # fmt: skip


def _yes(asked: Asked, value: bool | None) -> str:
    return "–" if value is None else asked.words("yes" if value else "no")

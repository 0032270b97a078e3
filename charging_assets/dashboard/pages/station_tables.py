"""The tables of the station page: shares, sessions, runs, days, and the history of attributes."""

from __future__ import annotations

from typing import Any

from charging_assets.dashboard.blocks import Column, Table
from charging_assets.dashboard.pages import columns
from charging_assets.dashboard.pages.period import Period
from charging_assets.dashboard.reader import Row
from charging_assets.dashboard.request import PageRequest
from charging_assets.measures import STATUS_COLUMNS


def shares_table(
    request: PageRequest, shares: list[Row], names: dict[int, str], about: str
) -> Table:
    words = request.words
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
                   link=lambda row: request.href(evse=str(row["evse_key"]))),
            columns.hours(request, "observed_s"),
            *(
                Column(column, words(f"status_{status}"), words.percent, is_number=True)
                for status, column in STATUS_COLUMNS.items()
            ),
            columns.share(request, "coverage"),
        ],
        rows, f"{about}; {words('share_observed')}",
    )  # fmt: skip


def sessions_table(
    request: PageRequest, sessions: list[Row], names: dict[int, str], about: str
) -> Table:
    words = request.words
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
            columns.text(request, "evse"),
            columns.time(request, "started_at"),
            columns.time(request, "ended_at"),
            columns.duration(request, "duration_s"),
            columns.duration(request, "duration_min_s"),
            columns.duration(request, "duration_max_s"),
            columns.duration(request, "idle_after_s"),
            columns.decimal(request, "max_power_kw"),
            columns.decimal(request, "energy_max_kwh"),
            columns.text(request, "remark"),
        ],
        rows, f"{about}. {words('sessions_caption')}",
    )  # fmt: skip


def runs_table(request: PageRequest, runs: list[Row], names: dict[int, str], about: str) -> Table:
    words = request.words
    labels = columns.status_labels(request)
    rows = [{**run, "evse": names.get(run["evse_key"], "?")} for run in reversed(runs)]
    return Table(
        "runs", words("runs_title"),
        [
            columns.text(request, "evse"),
            Column("status", words("status"), lambda status: labels.get(status, status)),
            columns.time(request, "first_slot_at"),
            columns.time(request, "last_slot_at"),
            columns.count(request, "poll_count"),
        ],
        rows, about,
    )  # fmt: skip


def days_table(request: PageRequest, period: Period, days: list[Row], about: str) -> Table:
    shares = ("utilisation", "occupancy", "availability", "reliability")
    row_by_day = {row["local_date"]: row for row in days}
    missing: dict[str, Any] = dict.fromkeys((*shares, "coverage", "session_count", "evse_count"))
    rows = [{**missing, "local_date": day, **row_by_day.get(day, {})} for day in
            reversed(period.all_days)]  # fmt: skip
    return Table(
        "days", request.words("city_days"),
        [
            columns.day(request),
            columns.count(request, "evse_count"),
            *(columns.share(request, name) for name in shares),
            columns.count(request, "session_count"),
            columns.share(request, "coverage"),
        ],
        rows, about,
    )  # fmt: skip


def station_history(request: PageRequest, history: list[Row]) -> Table:
    names = ("name", "address", "postal_code", "city", "operator_name", "owner", "station_id")
    labels = {"name": "station", "city": "city_name", "operator_name": "operator"}
    return Table(
        "history", request.words("history_title"),
        [
            columns.time(request, "valid_from"),
            columns.time(request, "valid_to"),
            columns.text(request, "close_reason"),
            *(columns.text(request, name, labels.get(name, name)) for name in names),
            Column("is_open_24_7", request.words("is_open_24_7"),
                   lambda value: _yes_or_no(request, value)),
        ],
        history, request.words("history_caption"),
    )  # fmt: skip


def evse_history(request: PageRequest, evses: list[Row]) -> Table:
    return Table(
        "evses", request.words("evse_history_title"),
        [
            columns.text(request, "evse_id"),
            columns.text(request, "evse_uid"),
            columns.time(request, "valid_from"),
            columns.time(request, "valid_to"),
            columns.text(request, "close_reason"),
            columns.text(request, "power_type"),
            columns.decimal(request, "max_power_kw"),
            columns.count(request, "connector_count"),
            columns.text(request, "physical_reference"),
        ],
        evses, request.words("history_caption"),
    )  # fmt: skip


def _yes_or_no(request: PageRequest, value: bool | None) -> str:
    return "–" if value is None else request.words("yes" if value else "no")

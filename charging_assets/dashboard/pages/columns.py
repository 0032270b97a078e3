"""Columns that several tables share: counts, shares, times, links to stations."""

from __future__ import annotations

from typing import Any

from charging_assets.dashboard.blocks import Column
from charging_assets.dashboard.request import PageRequest
from charging_assets.measures import STATUS_COLUMNS


def key(request: PageRequest, name: str = "station_key") -> Column:
    """A key, in CSV files only."""
    return Column(name, request.words(name), in_files=True)


def text(request: PageRequest, name: str, label: str = "") -> Column:
    return Column(name, request.words(label or name))


def count(request: PageRequest, name: str, label: str = "") -> Column:
    return Column(name, request.words(label or name), request.words.number, is_number=True)


def share(request: PageRequest, name: str, digits: int = 1) -> Column:
    """A share in percent, with a link to its definition."""
    return Column(
        name, request.words(name), lambda value: request.words.percent(value, digits),
        is_number=True, definition=name,
    )  # fmt: skip


def decimal(request: PageRequest, name: str, digits: int = 1) -> Column:
    return Column(
        name, request.words(name), lambda value: request.words.number(value, digits), is_number=True
    )


def hours(request: PageRequest, name: str) -> Column:
    """Seconds, shown in hours."""
    return Column(
        name,
        request.words(name),
        lambda value: request.words.number(None if value is None else value / 3600, 1),
        is_number=True,
    )


def duration(request: PageRequest, name: str) -> Column:
    return Column(name, request.words(name), request.words.duration, is_number=True)


def day(request: PageRequest, name: str = "local_date") -> Column:
    return Column(name, request.words(name), request.words.date, css=_short)


def time(request: PageRequest, name: str) -> Column:
    """A UTC time, shown as local time of the feed."""
    return Column(name, request.words(name), request.words.time, css=_short)


def _short(row: dict[str, Any]) -> str:
    """The CSS class of cells that are not wrapped."""
    return "short"


def station(request: PageRequest, name: str = "station_name") -> Column:
    def link(row: dict[str, Any]) -> str:
        period = {key: request.text(key) for key in ("from", "to") if request.text(key)}
        return request.href("/station", station=str(row["station_key"]), **period)

    return Column(
        name, request.words("station"), lambda value: value or request.words("unnamed"), link=link
    )


def status_labels(request: PageRequest) -> dict[str, str]:
    """Status → its label."""
    return {status: request.words(f"status_{status}") for status in STATUS_COLUMNS}

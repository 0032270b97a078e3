"""Columns that several tables have: counts, shares, times, links to stations.

Belongs here: how such a column is told and linked. Does not belong here: which table has which.
"""

from __future__ import annotations

from typing import Any

from charging_assets.dashboard.asked import Asked
from charging_assets.dashboard.blocks import Column
from charging_assets.measures import STATUS_COLUMNS


def key(asked: Asked, name: str = "station_key") -> Column:
    """A key, for those who go on with a file."""
    return Column(name, asked.words(name), in_files=True)


def text(asked: Asked, name: str, label: str = "") -> Column:
    return Column(name, asked.words(label or name))


def count(asked: Asked, name: str, label: str = "") -> Column:
    return Column(name, asked.words(label or name), asked.words.number, is_number=True)


def share(asked: Asked, name: str, digits: int = 1) -> Column:
    """A share, in percent, with the link to its definition."""
    return Column(
        name, asked.words(name), lambda value: asked.words.percent(value, digits),
        is_number=True, definition=name,
    )  # fmt: skip


def decimal(asked: Asked, name: str, digits: int = 1) -> Column:
    return Column(
        name, asked.words(name), lambda value: asked.words.number(value, digits), is_number=True
    )


def hours(asked: Asked, name: str) -> Column:
    """Seconds, told in hours."""
    return Column(
        name,
        asked.words(name),
        lambda value: asked.words.number(None if value is None else value / 3600, 1),
        is_number=True,
    )


def duration(asked: Asked, name: str) -> Column:
    return Column(name, asked.words(name), asked.words.duration, is_number=True)


def day(asked: Asked, name: str = "local_date") -> Column:
    return Column(name, asked.words(name), asked.words.date, css=_short)


def time(asked: Asked, name: str) -> Column:
    """A UTC time, told by the feed's clock."""
    return Column(name, asked.words(name), asked.words.time, css=_short)


def _short(row: dict[str, Any]) -> str:
    """What is not to be broken into lines."""
    return "short"


def station(asked: Asked, name: str = "station_name") -> Column:
    def link(row: dict[str, Any]) -> str:
        kept = {key: asked.text(key) for key in ("from", "to") if asked.text(key)}
        return asked.href("/station", station=str(row["station_key"]), **kept)

    return Column(
        name, asked.words("station"), lambda value: value or asked.words("unnamed"), link=link
    )


def status_names(asked: Asked) -> dict[str, str]:
    """How each status is called."""
    return {status: asked.words(f"status_{status}") for status in STATUS_COLUMNS}

"""Gaps that were accepted: hours without polls that nobody will ever have.

Belongs here: the notes about them, in the lake, where they survive the warehouse. Does not belong
here: slots that were missed (`missed`), or what is made of an empty hour.

An accepted hour is loaded empty and left alone. Polls that turn up later change what the hour is
made of, and so it is loaded again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import msgspec

from charging_assets.acquisition.archive import feeds_archived, hour_keys
from charging_assets.partitions import Hour
from charging_assets.storage.lake import Lake, ObjectMissing

_GAPS = "gaps/"


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """An hour that is accepted as lost: why, and since when (UTC)."""

    hour: str
    reason: str
    accepted_at: datetime


@dataclass(frozen=True)
class Acceptance:
    """What came of accepting hours: those that are, those that were before, those with polls."""

    accepted: list[Hour]
    known: list[Hour]
    polled: list[Hour]


def accept(lake: Lake, hours: Iterable[Hour], reason: str, now: datetime) -> Acceptance:
    """Note hours as lost for good, save for those that have polls."""
    done = Acceptance([], [], [])
    feeds = feeds_archived(lake)
    for hour in hours:
        if hour_keys(lake, feeds, hour):
            done.polled.append(hour)
            continue
        note = Gap(hour=hour.key, reason=reason, accepted_at=now.astimezone(UTC))
        is_new = lake.put_new(note_key(hour), msgspec.json.encode(note))
        (done.accepted if is_new else done.known).append(hour)
    return done


def gaps(lake: Lake) -> list[Gap]:
    """All accepted hours, in order, also those whose polls turned up later."""
    return [msgspec.json.decode(lake.get(key), type=Gap) for key in lake.keys(_GAPS)]


def is_accepted(lake: Lake, hour: Hour) -> bool:
    """Whether an hour was accepted as lost."""
    try:
        lake.get(note_key(hour))
    except ObjectMissing:
        return False
    return True


def accepted_hours(lake: Lake, days: Iterable[date] | None = None) -> list[Hour]:
    """The accepted hours of some UTC days, or of all time, in order."""
    prefixes = [_GAPS] if days is None else [f"{_GAPS}date={day:%Y-%m-%d}/" for day in days]
    return sorted(_hour(key) for prefix in prefixes for key in lake.keys(prefix))


def days_with_gaps(lake: Lake) -> list[date]:
    """The UTC days that have accepted hours."""
    return [date.fromisoformat(name.removeprefix("date=")) for name in lake.folders(_GAPS)]


def note_key(hour: Hour) -> str:
    """Where the note about an hour stands in the lake."""
    return f"{_GAPS}date={hour.start:%Y-%m-%d}/hour={hour.start:%H}.json"


def _hour(key: str) -> Hour:
    parts = dict(part.split("=", 1) for part in key.removesuffix(".json").split("/") if "=" in part)
    return Hour.parse(f"{parts['date']}T{parts['hour']}")

"""Accepted gaps: notes in the lake about hours whose polls are lost for good.

An accepted hour is loaded empty. If its polls are archived later, its input changes, and the hour
is loaded again. An hour can be accepted for all feeds or for one. Missed slots are in
`missed_slots`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import msgspec

from charging_assets.archive.raw_archive import feeds_archived, hour_keys
from charging_assets.hours import Hour
from charging_assets.lake.store import Lake

_GAPS = "gaps/"


class Gap(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An hour that is accepted as lost: why, and since when (UTC). `feed` is None for all feeds."""

    hour: str
    reason: str
    accepted_at: datetime
    feed: str | None = None


@dataclass(frozen=True)
class Acceptance:
    """Result of accepting hours: new ones, those accepted before, and those that have polls."""

    accepted: list[Hour]
    already_accepted: list[Hour]
    polled: list[Hour]


def accept(
    lake: Lake, hours: Iterable[Hour], reason: str, now: datetime, feed: str | None = None
) -> Acceptance:
    """Accept hours as lost for good, for a feed or for all, except those that have its polls."""
    result = Acceptance([], [], [])
    feeds = feeds_archived(lake) if feed is None else [feed]
    for hour in hours:
        if hour_keys(lake, feeds, hour):
            result.polled.append(hour)
            continue
        note = Gap(hour=hour.key, reason=reason, accepted_at=now.astimezone(UTC), feed=feed)
        is_new = lake.put_new(note_key(hour, feed), msgspec.json.encode(note))
        (result.accepted if is_new else result.already_accepted).append(hour)
    return result


def gaps(lake: Lake) -> list[Gap]:
    """All accepted hours, in order, also those whose polls were archived later."""
    return [msgspec.json.decode(lake.get(key), type=Gap) for key in lake.keys(_GAPS)]


def is_accepted(lake: Lake, hour: Hour) -> bool:
    """Whether an hour was accepted as lost, as a whole or for each feed in the archive."""
    return hour in accepted_hours(lake, [hour.start.date()])


def accepted_hours(lake: Lake, days: Iterable[date] | None = None) -> list[Hour]:
    """The hours of some UTC days, or of all time, that were accepted for all feeds, in order.

    That is as a whole, or for each feed in the archive.
    """
    days = None if days is None else list(days)
    hours = _noted_hours(lake, None, days)
    noted_feeds = _noted_feeds(lake)
    if noted_feeds:
        feeds = feeds_archived(lake) or noted_feeds
        hours |= set.intersection(*(_noted_hours(lake, feed, days) for feed in feeds))
    return sorted(hours)


def accepted_hours_of(lake: Lake, feed: str) -> set[Hour]:
    """The hours that were accepted for a feed, alone or with all others."""
    return _noted_hours(lake, None, None) | _noted_hours(lake, feed, None)


def days_with_gaps(lake: Lake) -> list[date]:
    """The UTC days that have accepted hours."""
    folders = [*lake.folders(_GAPS)]
    for feed in _noted_feeds(lake):
        folders += lake.folders(_folder(feed))
    days = {name.removeprefix("date=") for name in folders if name.startswith("date=")}
    return sorted(map(date.fromisoformat, days))


def note_key(hour: Hour, feed: str | None = None) -> str:
    """Key of the note about an hour, for a feed or for all."""
    return f"{_folder(feed)}date={hour.start:%Y-%m-%d}/hour={hour.start:%H}.json"


def _folder(feed: str | None) -> str:
    return _GAPS if feed is None else f"{_GAPS}feed={feed}/"


def _noted_feeds(lake: Lake) -> list[str]:
    folders = lake.folders(_GAPS)
    return [name.removeprefix("feed=") for name in folders if name.startswith("feed=")]


def _noted_hours(lake: Lake, feed: str | None, days: list[date] | None) -> set[Hour]:
    folder = _folder(feed)
    prefixes = [folder] if days is None else [f"{folder}date={day:%Y-%m-%d}/" for day in days]
    keys = (key for prefix in prefixes for key in lake.keys(prefix))
    return {_hour(key) for key in keys if key.startswith(f"{folder}date=")}


def _hour(key: str) -> Hour:
    parts = dict(part.split("=", 1) for part in key.removesuffix(".json").split("/") if "=" in part)
    return Hour.parse(f"{parts['date']}T{parts['hour']}")

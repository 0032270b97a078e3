"""Missed slots: planned polls that did not happen, recorded as notes in the lake.

The lake keeps the notes when the warehouse is rebuilt. Hours that are accepted as lost are `gaps`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

from charging_assets.archive.raw_archive import hour_keys, slots_archived
from charging_assets.archive.raw_objects import slot_of_key
from charging_assets.hours import Hour, slot_of
from charging_assets.lake.store import Lake
from charging_assets.sources.feeds import Feed

_MISSED = "missed/"
# In a longer silence no polling was planned, so that no slots were missed.
LONGEST_SILENCE = timedelta(days=35)
_SLOT_FORMAT = "%Y%m%dT%H%M%SZ"


def record_missed(lake: Lake, feed: str, slot_at: datetime, reason: str) -> None:
    """Record that a planned slot was not polled; a repeated call changes nothing."""
    note = {"feed": feed, "slot_at": slot_at.isoformat(), "reason": reason}
    lake.put_new(_key(feed, slot_at), json.dumps(note).encode())


def record_unpolled(
    lake: Lake,
    feeds: Mapping[str, Feed],
    planned_at: datetime,
    reason: str,
    window: timedelta = timedelta(0),
) -> None:
    """Record the planned slots of every enabled feed as missed, unless a poll is archived."""
    for feed in feeds.values():
        for slot in planned_slots(feed, planned_at, window) if feed.enabled else ():
            if not is_archived(lake, feed.name, slot):
                record_missed(lake, feed.name, slot, reason)


def record_silence(
    lake: Lake, feed: Feed, slot_at: datetime, *, spooled: Collection[str] = ()
) -> list[datetime]:
    """Record the slots between the feed's last poll and this one as missed; returns the new ones.

    A deployment that does not run cannot record what it misses, so its next poll does. `spooled`
    are keys of polls that are not archived yet. Writes one note for each UTC day.
    """
    polled = [slot for slot in _slots(spooled, feed.name) if slot < slot_at]
    last = max(polled + _last_polled(lake, feed.name, slot_at), default=None)
    if last is None:
        return []
    noted = {note["slot_at"] for note in _notes(lake, feed.name, last.date(), slot_at.date())}
    missed = [
        slot
        for slot in _slots_between(last, slot_at, feed.cadence)
        if slot.isoformat() not in noted
    ]
    for _, day_slots in groupby(missed, key=datetime.date):
        slots = list(day_slots)
        note = {
            "feed": feed.name,
            "slots": [slot.isoformat() for slot in slots],
            "reason": f"nothing polled between {last.isoformat()} and {slot_at.isoformat()}",
        }
        lake.put_new(_key(feed.name, slots[0], slots[-1]), json.dumps(note).encode())
    return missed


def missed_slots(lake: Lake) -> list[dict[str, str]]:
    """The recorded missed slots, sorted and without duplicates: feed, slot_at and reason."""
    return list(_read(lake, lake.keys(_MISSED)))


def has_missed_slots(lake: Lake, feed: str) -> bool:
    """Whether any slot of the feed was ever recorded as missed."""
    return bool(lake.folders(f"{_MISSED}feed={feed}/"))


def unfilled_slots(lake: Lake, archived: Mapping[Hour, Collection[str]]) -> list[dict[str, str]]:
    """Recorded missed slots that are not archived: spooled polls and imports can fill them."""
    return [note for note in missed_slots(lake) if not _is_filled(archived, note)]


def is_due(feed: Feed, planned_at: datetime | None) -> bool:
    """Whether a slot of the feed begins within the planned minute."""
    if planned_at is None:
        return True
    return planned_at - slot_of(planned_at, feed.cadence) < timedelta(minutes=1)


def planned_slots(feed: Feed, planned_at: datetime, window: timedelta) -> list[datetime]:
    """The slots of a feed in a run's window, `[planned_at, planned_at + window)`.

    A window of zero has the slot that begins within the planned minute, if any.
    """
    slot = slot_of(planned_at, feed.cadence)
    slots = [slot] if is_due(feed, planned_at) else []
    while (slot := slot + feed.cadence) < planned_at + window:
        slots.append(slot)
    return slots


def is_archived(lake: Lake, feed: str, slot_at: datetime) -> bool:
    """Whether a poll of the slot is archived."""
    keys = hour_keys(lake, [feed], Hour.of(slot_at))
    return any(slot_of_key(key) == slot_at for key in keys)


def _is_filled(archived: Mapping[Hour, Collection[str]], note: Mapping[str, str]) -> bool:
    slot_at = datetime.fromisoformat(note["slot_at"])
    keys = archived.get(Hour.of(slot_at), ())
    return slot_at in _slots(keys, note["feed"])


def _slots(keys: Collection[str], feed: str) -> set[datetime]:
    return {slot_of_key(key) for key in keys if f"/feed={feed}/" in key}


def _last_polled(lake: Lake, feed: str, before: datetime) -> list[datetime]:
    """The last polled slot before an instant, at most `LONGEST_SILENCE` ago, as a list."""
    day = before.date()
    while day >= (before - LONGEST_SILENCE).date():
        if slots := [slot for slot in slots_archived(lake, feed, day) if slot < before]:
            return [max(slots)]
        day -= timedelta(days=1)
    return []


def _slots_between(last: datetime, slot_at: datetime, cadence: timedelta) -> Iterator[datetime]:
    slot = slot_of(last, cadence) + cadence
    while slot < slot_at:
        yield slot
        slot += cadence


def _notes(lake: Lake, feed: str, first: date, last: date) -> Iterator[dict[str, str]]:
    while first <= last:
        yield from _read(lake, lake.keys(_folder(feed, first)))
        first += timedelta(days=1)


def _read(lake: Lake, keys: list[str]) -> Iterator[dict[str, str]]:
    seen: set[tuple[str, str]] = set()
    notes = [note for key in keys for note in _expand(json.loads(lake.get(key)))]
    for note in sorted(notes, key=_order):
        if (note["feed"], note["slot_at"]) not in seen:
            seen.add((note["feed"], note["slot_at"]))
            yield note


_order: Callable[[dict[str, str]], tuple[str, str]] = lambda note: (note["feed"], note["slot_at"])  # noqa: E731


def _expand(note: dict[str, object]) -> Iterator[dict[str, str]]:
    slots = note.get("slots") or [note["slot_at"]]
    for slot in slots:  # type: ignore[attr-defined]
        yield {"feed": str(note["feed"]), "slot_at": str(slot), "reason": str(note["reason"])}


def _folder(feed: str, day: date) -> str:
    return f"{_MISSED}feed={feed}/date={day:%Y-%m-%d}/"


def _key(feed: str, first: datetime, last: datetime | None = None) -> str:
    first = first.astimezone(UTC)
    upto = f"-{last.astimezone(UTC):{_SLOT_FORMAT}}" if last else ""
    return f"{_folder(feed, first.date())}{first:{_SLOT_FORMAT}}{upto}.json"

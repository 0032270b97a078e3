"""Bounded searches of the newest polls: when a feed last answered, and who polls it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from charging_assets.archive.raw_objects import (
    RAW,
    SUFFIX,
    CorruptArchive,
    RawReader,
    slot_of_key,
)
from charging_assets.lake.store import Lake
from charging_assets.schemas.outcomes import places_answered

# At least two hours of a feed that is polled every minute; if none of them is good, the feed fails.
MAX_POLLS_READ = 127
# Objects that are fetched together: a compacted day is read once for all of them.
_MAX_BATCH = 16
# The sample in which polls of this deployment are searched, where the newest are imported.
_NEWEST_DAYS, _SPREAD_DAYS, _POLLS_A_DAY = 7, 14, 3

_T = TypeVar("_T")


@dataclass(frozen=True)
class RecentPolls:
    """State of a feed by its newest polls; slots are None where no poll that was read has them.

    `newest_at` is the newest poll of any outcome, `good_at` the newest in which at least one place
    answered, `oldest_read_at` the last poll read. `is_all` is True if the feed has no older polls.
    """

    newest_at: datetime | None = None
    good_at: datetime | None = None
    oldest_read_at: datetime | None = None
    is_all: bool = True


def recent_polls(lake: Lake, feed: str, before: datetime) -> RecentPolls:
    """Read polls before an instant, newest first, up to a good one; at most `MAX_POLLS_READ`.

    Polls at or after `before` are ignored: they come from a wrong clock. A damaged object does not
    count as a good poll.
    """
    keys = _keys_backwards(lake, feed, before)
    newest_at = oldest_at = None
    size, left = 1, MAX_POLLS_READ
    while batch := list(islice(keys, min(size, left))):
        newest_at = newest_at or slot_of_key(batch[0])
        for key, blob in _blobs(lake, batch):
            oldest_at = slot_of_key(key)
            if _has_good_answer(key, blob):
                return RecentPolls(newest_at, oldest_at, oldest_at, is_all=False)
        left -= len(batch)
        size = min(2 * size, _MAX_BATCH)
    return RecentPolls(newest_at, None, oldest_at, is_all=next(keys, None) is None)


def newest_slot(lake: Lake, feed: str, before: datetime) -> datetime | None:
    """The newest archived slot of a feed before an instant, of any outcome; None without polls."""
    key = next(_keys_backwards(lake, feed, before), None)
    return slot_of_key(key) if key else None


def is_polled_here(lake: Lake, feed: str, before: datetime) -> bool:
    """Whether this deployment polled the feed before an instant (not all polls are imported).

    A sample is read: three polls of each of the newest seven days and of 14 more, spread over the
    archive. A short period of polling among many imported polls can be missed.
    """
    folder, days = f"{RAW}feed={feed}/", _days_backwards(lake, feed, before)
    spread = _spread(days[_NEWEST_DAYS:], _SPREAD_DAYS)
    for day in [*days[:_NEWEST_DAYS], *spread]:
        keys = _spread(_keys_of_day(lake, f"{folder}{day}/", before), _POLLS_A_DAY)
        if any(_is_polled_here(key, blob) for key, blob in _blobs(lake, keys)):
            return True
    return False


def _keys_backwards(lake: Lake, feed: str, before: datetime) -> Iterator[str]:
    for day in _days_backwards(lake, feed, before):
        yield from _keys_of_day(lake, f"{RAW}feed={feed}/{day}/", before)


def _days_backwards(lake: Lake, feed: str, before: datetime) -> list[str]:
    last_day = f"date={before:%Y-%m-%d}"
    days = lake.folders(f"{RAW}feed={feed}/")
    return sorted((day for day in days if day <= last_day), reverse=True)


def _keys_of_day(lake: Lake, folder: str, before: datetime) -> list[str]:
    """A day's raw objects before an instant, newest first."""
    keys = [key for key in lake.keys(folder) if key.endswith(SUFFIX)]
    earlier = [key for key in keys if slot_of_key(key) < before]
    return sorted(earlier, key=lambda key: (slot_of_key(key), key), reverse=True)


def _spread(items: Sequence[_T], count: int) -> list[_T]:
    """`count` of the items, evenly spread, including the first and the last."""
    if len(items) <= count:
        return list(items)
    return [items[round(n * (len(items) - 1) / (count - 1))] for n in range(count)]


def _blobs(lake: Lake, keys: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
    """Raw objects in order; None for those of a damaged compacted day."""
    try:
        blobs: Sequence[bytes | None] = lake.get_many(keys)
    except CorruptArchive:
        if len(keys) > 1:
            for key in keys:
                yield from _blobs(lake, [key])
            return
        blobs = [None]
    yield from zip(keys, blobs, strict=True)


def _has_good_answer(key: str, blob: bytes | None) -> bool:
    if blob is None:
        return False
    outcomes = []
    try:
        reader = RawReader(key, blob)
        while reader.entry is not None:
            outcomes.append((reader.entry.slug, reader.entry.outcome))
            reader.next_entry()
    except CorruptArchive:
        return False
    return any(places_answered(outcomes).values())


def _is_polled_here(key: str, blob: bytes | None) -> bool:
    if blob is None:
        return False
    try:
        reader = RawReader(key, blob)
    except CorruptArchive:
        return False
    return reader.entry is not None and not reader.poll.is_imported

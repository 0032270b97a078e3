"""The raw archive: which polls a lake holds, one object each, written once.

Belongs here: writing objects, listing them, reading an hour of them. Does not belong here: their
format (`raw_objects`).
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import groupby

from charging_assets.archive.identities import NO_IDENTITIES, FeedIdentity
from charging_assets.archive.raw_objects import (
    RAW,
    SUFFIX,
    ArchivedResponse,
    CorruptArchive,
    PlaceResponse,
    Poll,
    encode,
    hour_prefix,
    read_responses,
    slot_of_key,
)
from charging_assets.hours import Hour
from charging_assets.lake.store import Lake, LakeError

_DAY = re.compile(r"date=\d{4}-\d{2}-\d{2}").fullmatch


def archive(lake: Lake, poll: Poll, places: Sequence[PlaceResponse]) -> tuple[str, bool]:
    """Write a poll; the key, and whether it is new. An archived object is never changed."""
    key, blob = encode(poll, places)
    return key, lake.put_new(key, blob)


def feeds_archived(lake: Lake) -> list[str]:
    """The feeds that the archive holds, sorted."""
    return [name.removeprefix("feed=") for name in lake.folders(RAW)]


def hours_archived(lake: Lake) -> dict[Hour, list[str]]:
    """Every hour that has raw objects, with their keys, in order."""
    return _by_hour(lake.keys(RAW))


def days_archived(lake: Lake) -> list[date]:
    """The UTC days that have raw objects, of any feed, in order: one listing a feed."""
    names = {name for feed in feeds_archived(lake) for name in lake.folders(f"{RAW}feed={feed}/")}
    return sorted(date.fromisoformat(name.removeprefix("date=")) for name in names if _DAY(name))


def hours_of_days(lake: Lake, days: Iterable[date]) -> dict[Hour, list[str]]:
    """The hours of some UTC days that have raw objects: one listing a feed and day."""
    feeds = feeds_archived(lake)
    prefixes = [f"{RAW}feed={feed}/date={day:%Y-%m-%d}/" for day in days for feed in feeds]
    return _by_hour(key for prefix in prefixes for key in lake.keys(prefix))


def slots_archived(lake: Lake, feed: str, day: date) -> list[datetime]:
    """The slots of a feed's polls of a UTC day, sorted."""
    keys = lake.keys(f"{RAW}feed={feed}/date={day:%Y-%m-%d}/")
    return sorted(slot_of_key(key) for key in keys if key.endswith(SUFFIX))


def _by_hour(keys: Iterable[str]) -> dict[Hour, list[str]]:
    found: dict[Hour, list[str]] = {}
    for key in sorted(keys):
        if key.endswith(SUFFIX):
            found.setdefault(_hour_of(key), []).append(key)
    return dict(sorted(found.items()))


def hour_keys(lake: Lake, feeds: Iterable[str], hour: Hour) -> list[str]:
    """The raw objects of an hour, of the feeds given, sorted."""
    return sorted(
        key for feed in feeds for key in lake.keys(hour_prefix(feed, hour)) if key.endswith(SUFFIX)
    )


# Ends the digest of flat files that lack answers, because their feed's kind was not installed.
UNKNOWN_KIND = "-unknown-kind"


def feed_of(key: str) -> str:
    """The feed that a raw object is of."""
    return key.removeprefix(f"{RAW}feed=").split("/", 1)[0]


def feeds_of(keys: Iterable[str]) -> set[str]:
    """The feeds that raw objects are of."""
    return {feed_of(key) for key in keys}


def keys_by_feed(keys: Iterable[str]) -> dict[str, list[str]]:
    """Raw objects by the feed that they are of, in order."""
    found: dict[str, list[str]] = {}
    for key in sorted(keys):
        found.setdefault(feed_of(key), []).append(key)
    return found


def digest(keys: Iterable[str], identities: Mapping[str, FeedIdentity] = NO_IDENTITIES) -> str:
    """What an hour's archive is: keys carry their content's hash, so their hash is the hour's.

    With `identities`, what its flat files are made from: identities of the hour's feeds that
    differ from the default are part of it, since entity keys depend on them. So are the maps of
    kinds that do not come with the package.
    """
    parts = sorted(keys)
    for feed in sorted(feeds_of(parts) & identities.keys()):
        maps = identities[feed].kind_maps
        parts.append(f"{feed} {identities[feed]}" + (f" maps={maps}" if maps else ""))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def read(lake: Lake, key: str) -> Iterator[ArchivedResponse]:
    """A raw object's answers, by slug; CorruptArchive names an object that is damaged."""
    yield from read_responses(key, lake.get(key))


def polled_at(lake: Lake, key: str) -> datetime:
    """When the poll of a raw object began; of a damaged object, its slot."""
    try:
        return next(read(lake, key)).poll.started_at.astimezone(UTC)
    except (CorruptArchive, StopIteration):
        return slot_of_key(key)


def read_places(
    lake: Lake, keys: Iterable[str]
) -> Iterator[tuple[str, str, list[ArchivedResponse]]]:
    """An hour's answers place by place: (feed, slug, its answers by slot and request).

    Objects are fetched together and unpacked side by side, so that no more than one place's bodies
    are held at once.
    """
    found = list(keys)
    streams = map(read_responses, found, lake.get_many(found))
    merged = heapq.merge(*streams, key=_place_order)
    for (feed, slug), answers in groupby(merged, key=lambda a: (a.poll.feed, a.place.slug)):
        yield feed, slug, sorted(answers, key=_answer_order)


def _place_order(answer: ArchivedResponse) -> tuple[str, str]:
    return answer.poll.feed, answer.place.slug


def _answer_order(answer: ArchivedResponse) -> tuple[datetime, datetime, str]:
    requested = answer.place.requested_at or answer.poll.started_at
    return answer.poll.slot_at, requested, answer.raw_key


def _hour_of(key: str) -> Hour:
    parts = dict(part.split("=", 1) for part in key.split("/") if "=" in part)
    try:
        return Hour.parse(f"{parts['date']}T{parts['hour']}")
    except (KeyError, ValueError):
        raise LakeError(f"{key} does not belong in the archive: its path has no hour") from None

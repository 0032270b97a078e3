"""The raw archive: write, list and read polls, one write-once object each.

`raw_objects` has the format of the objects.
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
    """Write a poll; return its key and whether it is new. Archived objects never change."""
    key, blob = encode(poll, places)
    return key, lake.put_new(key, blob)


def feeds_archived(lake: Lake) -> list[str]:
    """The feeds in the archive, sorted."""
    return [name.removeprefix("feed=") for name in lake.folders(RAW)]


def hours_archived(lake: Lake) -> dict[Hour, list[str]]:
    """Every hour that has raw objects, with their keys, in order."""
    return _by_hour(lake.keys(RAW))


def days_archived(lake: Lake) -> list[date]:
    """The UTC days that have raw objects, of any feed, in order. Lists once per feed."""
    names = {name for feed in feeds_archived(lake) for name in lake.folders(f"{RAW}feed={feed}/")}
    return sorted(date.fromisoformat(name.removeprefix("date=")) for name in names if _DAY(name))


def hours_of_days(lake: Lake, days: Iterable[date]) -> dict[Hour, list[str]]:
    """The hours of some UTC days that have raw objects. Lists once per feed and day."""
    feeds = feeds_archived(lake)
    prefixes = [f"{RAW}feed={feed}/date={day:%Y-%m-%d}/" for day in days for feed in feeds]
    return _by_hour(key for prefix in prefixes for key in lake.keys(prefix))


def slots_archived(lake: Lake, feed: str, day: date) -> list[datetime]:
    """The slots of a feed's polls of a UTC day, sorted."""
    keys = lake.keys(f"{RAW}feed={feed}/date={day:%Y-%m-%d}/")
    return sorted(slot_of_key(key) for key in keys if key.endswith(SUFFIX))


def _by_hour(keys: Iterable[str]) -> dict[Hour, list[str]]:
    by_hour: dict[Hour, list[str]] = {}
    for key in sorted(keys):
        if key.endswith(SUFFIX):
            by_hour.setdefault(_hour_of(key), []).append(key)
    return dict(sorted(by_hour.items()))


def hour_keys(lake: Lake, feeds: Iterable[str], hour: Hour) -> list[str]:
    """The raw objects of an hour, of the feeds given, sorted."""
    return sorted(
        key for feed in feeds for key in lake.keys(hour_prefix(feed, hour)) if key.endswith(SUFFIX)
    )


# Suffix of the digest of flat files that lack answers, since their feed's kind was not installed.
UNKNOWN_KIND = "-unknown-kind"


def feed_of(key: str) -> str:
    """The feed of a raw object."""
    return key.removeprefix(f"{RAW}feed=").split("/", 1)[0]


def feeds_of(keys: Iterable[str]) -> set[str]:
    """The feeds of raw objects."""
    return {feed_of(key) for key in keys}


def keys_by_feed(keys: Iterable[str]) -> dict[str, list[str]]:
    """Raw objects by their feed, in order."""
    by_feed: dict[str, list[str]] = {}
    for key in sorted(keys):
        by_feed.setdefault(feed_of(key), []).append(key)
    return by_feed


def digest(keys: Iterable[str], identities: Mapping[str, FeedIdentity] = NO_IDENTITIES) -> str:
    """Hash of an hour's archive: keys contain the hash of their content.

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
    """A raw object's answers, by slug; CorruptArchive names a damaged object."""
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

    Objects are fetched together and decompressed in parallel streams, so that no more than one
    place's bodies are in memory at once.
    """
    raw_keys = list(keys)
    streams = map(read_responses, raw_keys, lake.get_many(raw_keys))
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
        raise LakeError(f"{key} is not a raw object: its path has no hour") from None

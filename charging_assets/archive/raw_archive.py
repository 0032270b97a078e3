"""The raw archive: write, list and read polls, one write-once object each.

`raw_objects` has the format of the objects.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime

from msgspec.structs import replace

from charging_assets.archive.identities import NO_IDENTITIES, FeedIdentity
from charging_assets.archive.raw_objects import (
    RAW,
    SUFFIX,
    ArchivedResponse,
    CorruptArchive,
    PlaceResponse,
    Poll,
    RawObject,
    RawReader,
    encode,
    format_1_key,
    format_2_key,
    hour_prefix,
    read_responses,
    slot_of_key,
)
from charging_assets.hours import Hour
from charging_assets.lake.store import Lake, LakeError
from charging_assets.schemas.outcomes import NOT_MODIFIED

_DAY = re.compile(r"date=\d{4}-\d{2}-\d{2}").fullmatch


# Bodies of one place that are read at once; larger ones are read one after the other.
_EAGER_BYTES = 64 << 20


def archive(lake: Lake, poll: Poll, places: Sequence[PlaceResponse]) -> tuple[str, bool]:
    """Write a poll; return its key and whether it is new. Archived objects never change."""
    raw, is_new = archive_object(lake, poll, places)
    return raw.key, is_new


def archive_object(
    lake: Lake, poll: Poll, places: Sequence[PlaceResponse]
) -> tuple[RawObject, bool]:
    """Write a poll; return its object and whether it is new."""
    raw = encode(poll, places)
    # Polls with an origin can be written again: after an upgrade from format 1, or from a file that
    # was packed by gzip in the meantime.
    if poll.origin is not None:
        stored = lake.keys(raw.key.rpartition("/")[0] + "/")
        unpacked = [replace(place, received_sha256=None) for place in places]
        for key in (format_1_key(poll, places), format_2_key(poll, unpacked)) if stored else ():
            if key != raw.key and key in stored:
                return RawObject(key, raw.blob), False
    return raw, lake.put_new(raw.key, raw.blob)


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
        return RawReader(key, lake.get(key)).poll.started_at.astimezone(UTC)
    except CorruptArchive:
        return slot_of_key(key)


def read_places(
    lake: Lake, keys: Iterable[str]
) -> Iterator[tuple[str, str, list[ArchivedResponse]]]:
    """An hour's answers place by place: (feed, slug, its answers by slot and request).

    Objects are fetched together and decompressed in parallel streams, so that no more than one
    place's bodies are in memory at once.
    """
    for feed, slug, answers in stream_places(lake, keys):
        yield feed, slug, list(answers)


def stream_places(
    lake: Lake, keys: Iterable[str]
) -> Iterator[tuple[str, str, list[ArchivedResponse] | LargePlace]]:
    """Like `read_places`; the bodies of a large place are not in memory at once either."""
    raw_keys = list(keys)
    blobs = dict(zip(raw_keys, lake.get_many(raw_keys), strict=True))
    readers = [RawReader(key, blob) for key, blob in blobs.items()]
    while places := [_place_of(reader) for reader in readers if reader.entry is not None]:
        feed, slug = place = min(places)
        of_place = sorted(
            (reader for reader in readers if reader.entry and _place_of(reader) == place),
            key=_reader_order,
        )
        is_large = sum(reader.body_size for reader in of_place) > _EAGER_BYTES
        answers = None if is_large else _read_at_most(of_place, slug, _EAGER_BYTES)
        if answers is None:
            yield feed, slug, LargePlace(of_place, blobs, slug, are_unread=is_large)
        else:
            yield feed, slug, sorted(answers, key=_answer_order)
        for reader in of_place:
            _skip_place(reader, slug)


class LargePlace:
    """The answers of a place by slot and request, each read when the iteration comes to it.

    `readers` are in this order; where they `are_unread`, the first iteration uses them. Any other
    decompresses the objects again. `polls` are the polls of the answers.
    """

    def __init__(
        self,
        readers: Sequence[RawReader],
        blobs: Mapping[str, bytes],
        slug: str,
        *,
        are_unread: bool,
    ) -> None:
        self._unread = readers if are_unread else None
        self._blobs, self._slug = blobs, slug
        self._keys = [reader.key for reader in readers]
        self.polls = [reader.poll for reader in readers]

    def __iter__(self) -> Iterator[ArchivedResponse]:
        readers, self._unread = self._unread, None
        for reader in readers if readers is not None else map(self._open, self._keys):
            yield from _responses_of(reader, self._slug)

    def entries(self) -> Iterator[PlaceResponse]:
        """The responses without their bodies. Decompresses the objects again."""
        for reader in map(self._open, self._keys):
            while reader.entry is not None and reader.entry.slug == self._slug:
                yield reader.response(with_body=False).place
                reader.next_entry()

    def _open(self, key: str) -> RawReader:
        reader = RawReader(key, self._blobs[key])
        while reader.entry is not None and reader.entry.slug != self._slug:
            reader.next_entry()
        return reader


def not_modified(answers: list[ArchivedResponse] | LargePlace) -> Iterator[PlaceResponse]:
    """The responses of a place with status 304, which repeat a body; they have none."""
    places = (
        answers.entries() if isinstance(answers, LargePlace) else (each.place for each in answers)
    )
    return (place for place in places if place.outcome == NOT_MODIFIED)


def _place_of(reader: RawReader) -> tuple[str, str]:
    assert reader.entry is not None
    return reader.poll.feed, reader.entry.slug


def _responses_of(reader: RawReader, slug: str) -> Iterator[ArchivedResponse]:
    while reader.entry is not None and reader.entry.slug == slug:
        yield reader.response()
        reader.next_entry()


def _read_at_most(
    readers: Sequence[RawReader], slug: str, limit_bytes: int
) -> list[ArchivedResponse] | None:
    """The responses of a place; None if their bodies, all pages together, exceed the limit."""
    answers, size = [], 0
    for reader in readers:
        while reader.entry is not None and reader.entry.slug == slug:
            size += reader.body_size
            if size > limit_bytes:
                return None
            answers.append(reader.response())
            reader.next_entry()
    return answers


def _skip_place(reader: RawReader, slug: str) -> None:
    while reader.entry is not None and reader.entry.slug == slug:
        reader.next_entry()


def _reader_order(reader: RawReader) -> tuple[datetime, datetime, str]:
    assert reader.entry is not None
    requested = reader.entry.requested_at or reader.poll.started_at
    return reader.poll.slot_at, requested, reader.key


def _answer_order(answer: ArchivedResponse) -> tuple[datetime, datetime, str, int]:
    requested = answer.place.requested_at or answer.poll.started_at
    return answer.poll.slot_at, requested, answer.raw_key, answer.place.part


def _hour_of(key: str) -> Hour:
    parts = dict(part.split("=", 1) for part in key.split("/") if "=" in part)
    try:
        return Hour.parse(f"{parts['date']}T{parts['hour']}")
    except (KeyError, ValueError):
        raise LakeError(f"{key} is not a raw object: its path has no hour") from None

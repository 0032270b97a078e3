"""One raw object: its format, its key, how it is written and read.

Belongs here: bytes and what they say. Does not belong here: lakes, or which objects there are
(`archive`), HTTP, feeds, or what a body means.

An object is zstd-compressed NDJSON: a header line about the poll, then a line for each place,
sorted by slug, with the body verbatim (base64 where it is not UTF-8). Readers that know only
JSON and zstd can read it in fifty years.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import zstandard

from charging_assets.partitions import Hour

FORMAT = 1
RAW = "raw/"
_LEVEL = 9
# Whatever else somebody puts beside raw objects is no poll.
SUFFIX = ".ndjson.zst"
_CHUNK = 1 << 18
_SLOT_FORMAT = "%Y%m%dT%H%M%SZ"


class CorruptArchive(Exception):
    """A raw object cannot be read as what was written; the message names its key."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What one place of a feed answered in one poll; `outcome` speaks of the transport alone.

    `elapsed_ms` and `http_status` are None where they were never known (an import).
    """

    slug: str
    outcome: str
    body: bytes | None = None
    requested_at: datetime | None = None
    elapsed_ms: int | None = None
    http_status: int | None = None
    detail: str | None = None


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """One poll of one feed: the header of a raw object. Times are aware, in UTC."""

    feed: str
    kind: str
    slot_at: datetime
    cadence_s: int
    time_zone: str
    asked: tuple[str, ...]
    started_at: datetime
    ended_at: datetime
    program: str
    is_imported: bool = False
    origin: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """A place's answer with the poll and the object it stands in: what readers get."""

    poll: Poll
    place: Place
    raw_key: str


class _Header(msgspec.Struct, kw_only=True):
    format: int
    poll: Poll


class _Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    slug: str
    outcome: str
    requested_at: datetime | None = None
    elapsed_ms: int | None = None
    http_status: int | None = None
    detail: str | None = None
    sha256: str | None = None
    body: str | None = None
    body_base64: str | None = None


class RawObject(NamedTuple):
    """A poll as it is archived: its key, and the compressed bytes under it."""

    key: str
    blob: bytes


def encode(poll: Poll, places: Iterable[Place]) -> RawObject:
    """The object of a poll: the same poll and places give the same object, in whatever order.

    The key carries the hash of the lines, not of their compression: a later zstd, which compresses
    better, archives nothing a second time.
    """
    lines = [msgspec.json.encode(_Header(format=FORMAT, poll=poll))]
    lines += [
        msgspec.json.encode(_line(place)) for place in sorted(places, key=lambda place: place.slug)
    ]
    content = b"\n".join(lines) + b"\n"
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    return RawObject(_key(poll, content), compressor.compress(content))


def slot_of_key(key: str) -> datetime:
    """The slot of a raw object, to the second, by its key."""
    said = key.rsplit("/", 1)[-1].split("-", 1)[0]
    return datetime.strptime(said, _SLOT_FORMAT).replace(tzinfo=UTC)


def hour_prefix(feed: str, hour: Hour) -> str:
    """The folder of one feed's hour."""
    return f"{RAW}feed={feed}/date={hour.start:%Y-%m-%d}/hour={hour.start:%H}/"


def answers_in(key: str, blob: bytes) -> Iterator[Answer]:
    """The answers of a raw object, by slug; CorruptArchive names one that is damaged."""
    lines = raw_lines(key, blob)
    try:
        header = msgspec.json.decode(next(lines), type=_Header)
        header.poll = _with_utc(header.poll)
        if header.format != FORMAT:
            raise CorruptArchive(f"{key} has format {header.format}; this program reads {FORMAT}")
        if not key.startswith(_folder(header.poll)):
            raise CorruptArchive(
                f"{key} holds a poll of {header.poll.feed} at {header.poll.slot_at}; move it to "
                f"{_folder(header.poll)}"
            )
        for line in lines:
            yield Answer(header.poll, _place(_LINE.decode(line)), key)
    except (StopIteration, msgspec.DecodeError, ValueError) as error:
        raise CorruptArchive(f"{key} is not a raw object: {error or 'it is empty'}") from error


def _key(poll: Poll, content: bytes) -> str:
    """Where a poll's object stands: by feed, UTC date and hour of its slot, and content."""
    digest = hashlib.sha256(content).hexdigest()[:12]
    return f"{_folder(poll)}{poll.slot_at.astimezone(UTC):{_SLOT_FORMAT}}-{digest}{SUFFIX}"


def _folder(poll: Poll) -> str:
    return hour_prefix(poll.feed, Hour.of(poll.slot_at))


_LINE = msgspec.json.Decoder(_Line)


def _line(place: Place) -> _Line:
    text = encoded = sha256 = None
    if place.body is not None:
        sha256 = hashlib.sha256(place.body).hexdigest()
        try:
            text = place.body.decode()
        except UnicodeDecodeError:
            encoded = base64.b64encode(place.body).decode()
    return _Line(
        slug=place.slug,
        outcome=place.outcome,
        requested_at=place.requested_at,
        elapsed_ms=place.elapsed_ms,
        http_status=place.http_status,
        detail=place.detail,
        sha256=sha256,
        body=text,
        body_base64=encoded,
    )


def _place(line: _Line) -> Place:
    body = line.body.encode() if line.body is not None else None
    if line.body_base64 is not None:
        body = base64.b64decode(line.body_base64)
    return Place(
        slug=line.slug,
        outcome=line.outcome,
        body=body,
        requested_at=line.requested_at and _utc(line.requested_at),
        elapsed_ms=line.elapsed_ms,
        http_status=line.http_status,
        detail=line.detail,
    )


def _with_utc(poll: Poll) -> Poll:
    """The poll with aware times: others could not be compared with those of other objects."""
    times = {name: getattr(poll, name) for name in ("slot_at", "started_at", "ended_at")}
    if all(time.tzinfo is not None for time in times.values()):
        return poll
    return msgspec.structs.replace(poll, **{name: _utc(time) for name, time in times.items()})


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def raw_lines(key: str, blob: bytes) -> Iterator[bytes]:
    """A raw object's lines without their ends, header first; CorruptArchive for a damaged one."""
    reader, rest = zstandard.ZstdDecompressor().decompressobj(), b""
    try:
        for start in range(0, len(blob), _CHUNK):
            *whole, rest = (rest + reader.decompress(blob[start : start + _CHUNK])).split(b"\n")
            yield from whole
    except zstandard.ZstdError as error:
        raise _damaged(key, str(error)) from error
    # The frame's checksum stands at its end: without it nothing says that all of it is there.
    if not reader.eof or reader.unused_data or rest:
        raise _damaged(key, "its end is missing or not its own")


def _damaged(key: str, reason: str) -> CorruptArchive:
    return CorruptArchive(
        f"{key} is damaged ({reason}); restore it from a backup: nothing else holds its answers"
    )

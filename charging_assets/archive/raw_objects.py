"""The format of a raw object: its key, how it is encoded and decoded.

An object is zstd-compressed NDJSON: a header line about the poll, then a line for each place,
sorted by slug, with the body verbatim (base64 where it is not UTF-8). Any reader of JSON and zstd
can read it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import zstandard

from charging_assets.hours import Hour

FORMAT = 1
# The headers of a response that are archived. `Received-SHA256` is ours: the hash of a gzip file
# as it was received, since it is decompressed before archiving.
ARCHIVED_HEADERS = ("ETag", "Last-Modified", "Date", "Content-Type", "Received-SHA256")
RAW = "raw/"
_LEVEL = 9
# Other objects in the same folders are ignored.
SUFFIX = ".ndjson.zst"
_CHUNK = 1 << 18
_SLOT_FORMAT = "%Y%m%dT%H%M%SZ"


class CorruptArchive(Exception):
    """A raw object is damaged or is not one; the message names its key."""


class PlaceResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One response of one place in one poll; `outcome` describes the transport only.

    `elapsed_ms` and `http_status` are None where they are unknown (imported files). `part` numbers
    the responses of a place in a poll from 0; `url` is without secrets; `headers` are those of
    `ARCHIVED_HEADERS` that the response has.
    """

    slug: str
    outcome: str
    body: bytes | None = None
    requested_at: datetime | None = None
    elapsed_ms: int | None = None
    http_status: int | None = None
    detail: str | None = None
    part: int = 0
    url: str | None = None
    headers: dict[str, str] = {}


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """One poll of one feed: the header of a raw object. Times are aware, in UTC."""

    feed: str
    kind: str
    slot_at: datetime
    cadence_s: int
    time_zone: str
    place_slugs: tuple[str, ...] = msgspec.field(name="asked")
    started_at: datetime
    ended_at: datetime
    program: str
    is_imported: bool = False
    origin: str | None = None


class ArchivedResponse(msgspec.Struct, frozen=True):
    """A place's response with its poll and the key of its raw object."""

    poll: Poll
    place: PlaceResponse
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
    part: int = 0
    url: str | None = None
    headers: dict[str, str] = {}


class RawObject(NamedTuple):
    """An encoded poll: its key and its compressed bytes."""

    key: str
    blob: bytes


def encode(poll: Poll, places: Iterable[PlaceResponse]) -> RawObject:
    """Encode a poll; the order of the places does not matter.

    The key contains the hash of the uncompressed lines, so that another version of zstd does not
    archive the same poll twice.
    """
    lines = [msgspec.json.encode(_Header(format=FORMAT, poll=poll))]
    lines += [
        msgspec.json.encode(_line(place))
        for place in sorted(places, key=lambda place: (place.slug, place.part))
    ]
    content = b"\n".join(lines) + b"\n"
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    return RawObject(_key(poll, content), compressor.compress(content))


def slot_of_key(key: str) -> datetime:
    """The slot of a raw object, to the second, by its key."""
    slot = key.rsplit("/", 1)[-1].split("-", 1)[0]
    return datetime.strptime(slot, _SLOT_FORMAT).replace(tzinfo=UTC)


def hour_prefix(feed: str, hour: Hour) -> str:
    """The key prefix of a feed's hour."""
    return f"{RAW}feed={feed}/date={hour.start:%Y-%m-%d}/hour={hour.start:%H}/"


def read_responses(key: str, blob: bytes) -> Iterator[ArchivedResponse]:
    """The responses in a raw object, sorted by slug; CorruptArchive if it is damaged."""
    lines = raw_lines(key, blob)
    try:
        header = msgspec.json.decode(next(lines), type=_Header)
        header.poll = _with_utc(header.poll)
        if header.format != FORMAT:
            raise CorruptArchive(f"{key} has format {header.format}; this program reads {FORMAT}")
        if not key.startswith(_folder(header.poll)):
            raise CorruptArchive(
                f"{key} contains a poll of {header.poll.feed} at {header.poll.slot_at}; move it to "
                f"{_folder(header.poll)}"
            )
        for line in lines:
            yield ArchivedResponse(header.poll, _place(_LINE.decode(line)), key)
    except (StopIteration, msgspec.DecodeError, ValueError) as error:
        raise CorruptArchive(f"{key} is not a raw object: {error or 'it is empty'}") from error


def _key(poll: Poll, content: bytes) -> str:
    """The key of a poll: feed, UTC date and hour of its slot, and hash of its content."""
    digest = hashlib.sha256(content).hexdigest()[:12]
    return f"{_folder(poll)}{poll.slot_at.astimezone(UTC):{_SLOT_FORMAT}}-{digest}{SUFFIX}"


def _folder(poll: Poll) -> str:
    return hour_prefix(poll.feed, Hour.of(poll.slot_at))


_LINE = msgspec.json.Decoder(_Line)


def _line(place: PlaceResponse) -> _Line:
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
        part=place.part,
        url=place.url,
        headers=place.headers,
    )


def _place(line: _Line) -> PlaceResponse:
    body = line.body.encode() if line.body is not None else None
    if line.body_base64 is not None:
        body = base64.b64decode(line.body_base64)
    return PlaceResponse(
        slug=line.slug,
        outcome=line.outcome,
        body=body,
        requested_at=line.requested_at and _utc(line.requested_at),
        elapsed_ms=line.elapsed_ms,
        http_status=line.http_status,
        detail=line.detail,
        part=line.part,
        url=line.url,
        headers=line.headers,
    )


def _with_utc(poll: Poll) -> Poll:
    """The poll with aware times, so that they compare with those of other objects."""
    times = {name: getattr(poll, name) for name in ("slot_at", "started_at", "ended_at")}
    if all(time.tzinfo is not None for time in times.values()):
        return poll
    return msgspec.structs.replace(poll, **{name: _utc(time) for name, time in times.items()})


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def raw_lines(key: str, blob: bytes) -> Iterator[bytes]:
    """The lines of a raw object without line ends, header first; CorruptArchive if damaged."""
    reader, rest = zstandard.ZstdDecompressor().decompressobj(), b""
    try:
        for start in range(0, len(blob), _CHUNK):
            *lines, rest = (rest + reader.decompress(blob[start : start + _CHUNK])).split(b"\n")
            yield from lines
    except zstandard.ZstdError as error:
        raise _corrupt_error(key, str(error)) from error
    # The checksum is at the end of the frame; without it the content may be incomplete.
    if not reader.eof or reader.unused_data or rest:
        raise _corrupt_error(key, "its end is missing or belongs to another object")


def _corrupt_error(key: str, reason: str) -> CorruptArchive:
    return CorruptArchive(
        f"{key} is damaged ({reason}); restore it from a backup: there is no other copy"
    )

"""The format of a raw object: its key, how it is encoded and decoded.

An object is one zstd frame. Its content is a header line about the poll, then one entry for each
response, sorted by place and part: a line about the response, then its body, byte for byte, and a
line end. Lines are JSON, padded with spaces to a multiple of 512 bytes; bodies are neither escaped
nor encoded, so that reading costs little more than decompressing. Format 1, which is read as well,
has the body as a JSON string in the line (base64 where it is not UTF-8).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import zstandard

from charging_assets.archive.zstd_stream import LINE_UNIT, FrameReader
from charging_assets.hours import Hour

FORMAT = 2
FORMATS = (1, 2)
RAW = "raw/"
_LEVEL = 9
# Other objects in the same folders are ignored.
SUFFIX = ".ndjson.zst"
_SLOT_FORMAT = "%Y%m%dT%H%M%SZ"


class CorruptArchive(Exception):
    """A raw object is damaged or is not one; the message names its key."""


class PlaceResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One response of a place in one poll; `outcome` describes the transport only.

    `part` numbers the responses of a place that answers page by page. `elapsed_ms`, `http_status`
    and `url` are None, and `headers` empty, where they are unknown (imported files, format 1).
    `url` has no secrets, `headers` are those of `HEADERS` that the response has. `received_sha256`
    is the hash of what was received where that is not the body: of a file that was decompressed.
    """

    slug: str
    part: int = 0
    outcome: str
    body: bytes | None = None
    requested_at: datetime | None = None
    elapsed_ms: int | None = None
    http_status: int | None = None
    detail: str | None = None
    url: str | None = None
    headers: Mapping[str, str] = {}
    received_sha256: str | None = None


# The headers of a response that are archived. Others may contain secrets.
HEADERS = ("ETag", "Last-Modified", "Date", "Content-Type")


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
    """A line of format 1."""

    slug: str
    outcome: str
    requested_at: datetime | None = None
    elapsed_ms: int | None = None
    http_status: int | None = None
    detail: str | None = None
    sha256: str | None = None
    body: str | None = None
    body_base64: str | None = None


class Entry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The line about a response: everything but its body, which has `length` bytes.

    `length` is None where there is no body, and in objects of format 1 until the body is read.
    """

    slug: str
    part: int = 0
    outcome: str
    requested_at: datetime | None = None
    elapsed_ms: int | None = None
    http_status: int | None = None
    detail: str | None = None
    url: str | None = None
    headers: dict[str, str] = {}
    received_sha256: str | None = None
    sha256: str | None = None
    length: int | None = None


class RawObject(NamedTuple):
    """An encoded poll: its key and its compressed bytes."""

    key: str
    blob: bytes


def encode(poll: Poll, places: Iterable[PlaceResponse]) -> RawObject:
    """Encode a poll; the order of the places does not matter.

    The key contains the hash of the uncompressed content, so that another version of zstd does not
    archive the same poll twice.
    """
    parts = _content(poll, places)
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj(
        size=sum(map(len, parts))
    )
    blob = b"".join([*map(compressor.compress, parts), compressor.flush()])
    return RawObject(_content_key(poll, parts), blob)


def format_2_key(poll: Poll, places: Iterable[PlaceResponse]) -> str:
    """The key that `encode` gives the poll."""
    return _content_key(poll, _content(poll, places))


def _content(poll: Poll, places: Iterable[PlaceResponse]) -> list[bytes]:
    parts = [padded_line(msgspec.json.encode(_Header(format=FORMAT, poll=poll)))]
    for place in sorted(places, key=lambda place: (place.slug, place.part)):
        parts.append(padded_line(msgspec.json.encode(_entry(place))))
        if place.body is not None:
            parts += [place.body, b"\n"]
    return parts


def _content_key(poll: Poll, parts: Iterable[bytes]) -> str:
    content_hash = hashlib.sha256()
    for part in parts:
        content_hash.update(part)
    return _key(poll, content_hash.hexdigest())


def padded_line(text: bytes) -> bytes:
    """A line of format 2: the text, spaces, and the line end."""
    return text.ljust(-((len(text) + 1) // -LINE_UNIT) * LINE_UNIT - 1) + b"\n"


def format_1_key(poll: Poll, places: Iterable[PlaceResponse]) -> str:
    """The key that the poll has in an archive of format 1, which has no parts, URLs and headers."""
    lines = [msgspec.json.encode(_Header(format=1, poll=poll))]
    lines += [
        msgspec.json.encode(_line(place))
        for place in sorted(places, key=lambda place: (place.slug, place.part))
    ]
    return _key(poll, hashlib.sha256(b"\n".join(lines) + b"\n").hexdigest())


def slot_of_key(key: str) -> datetime:
    """The slot of a raw object, to the second, by its key."""
    slot = key.rsplit("/", 1)[-1].split("-", 1)[0]
    return datetime.strptime(slot, _SLOT_FORMAT).replace(tzinfo=UTC)


def hour_prefix(feed: str, hour: Hour) -> str:
    """The key prefix of a feed's hour."""
    return f"{RAW}feed={feed}/date={hour.start:%Y-%m-%d}/hour={hour.start:%H}/"


class RawReader:
    """Reads a raw object from front to back: its header, then entry by entry.

    `entry` is the current one, None after the last; `body` reads its body, once, and `next_entry`
    goes on to the next one. A body that is not read is decompressed and dropped piece by piece.
    `header` and `line` are the lines of the poll and of the current entry, with their ends.

    Raises:
        CorruptArchive: the object is damaged, or is not one; any method may raise it.
    """

    def __init__(self, key: str, blob: bytes) -> None:
        self.key = key
        self.entry: Entry | None = None
        self.line = b""
        self._body: bytes | None = None
        self._unread = 0
        try:
            self._frame = FrameReader(blob)
            line = self._frame.line()
        except zstandard.ZstdError as error:
            raise _corrupt_error(key, str(error)) from error
        header = decode_header(key, line)
        self.header = line or b""
        self.poll, self.format = _with_utc(header.poll), header.format
        if not key.startswith(_folder(self.poll)):
            raise CorruptArchive(
                f"{key} contains a poll of {self.poll.feed} at {self.poll.slot_at}; move it to "
                f"{_folder(self.poll)}"
            )
        self.next_entry()

    def next_entry(self) -> None:
        """Go on to the next entry."""
        self._body = None
        try:
            if self._unread:
                for _ in self._frame.pieces(self._unread):
                    pass
                self._unread = 0
            line = self._frame.line()
        except zstandard.ZstdError as error:
            raise _corrupt_error(self.key, str(error)) from error
        self.line = line or b""
        if line is None:
            self.entry = None
        elif self.format == 1:
            self.entry, self._body = _decode_line(self.key, line)
        else:
            self.entry = decode_entry(self.key, line)
            self._unread = 0 if self.entry.length is None else self.entry.length + 1
        if self.entry is not None and self.entry.requested_at is not None:
            self.entry.requested_at = _utc(self.entry.requested_at)

    @property
    def body_size(self) -> int:
        """The size of the entry's body; 0 if it was read."""
        return self._unread or len(self._body or b"")

    def body_pieces(self) -> Iterator[bytes]:
        """The bytes of the object from behind `line` to the next entry, in pieces.

        They are the body and its line end, in format 2. They can be read once.
        """
        size, self._unread = self._unread, 0
        try:
            yield from self._frame.pieces(size)
        except zstandard.ZstdError as error:
            raise _corrupt_error(self.key, str(error)) from error

    def verify_checksum(self) -> None:
        """Read the body of the entry; CorruptArchive if it does not match its checksum."""
        assert self.entry is not None
        checksum = hashlib.sha256()
        if self._body is not None or not self._unread:
            has_body = self._body is not None
            checksum.update(self._body or b"")
        else:
            has_body, size = True, self._unread - 1
            for piece in self.body_pieces():
                checksum.update(piece[:size])
                size -= len(piece)
        if has_body and checksum.hexdigest() != self.entry.sha256:
            raise CorruptArchive(
                f"{self.key} is damaged (the answer of {self.entry.slug} does not match its "
                "checksum); its day is not compacted until it is restored from a backup"
            )

    def body(self) -> bytes | None:
        """The body of the entry; None where it has none, or if it was read before."""
        if not self._unread:
            body, self._body = self._body, None
            return body
        size, self._unread = self._unread - 1, 0
        try:
            body = self._frame.read(size)
            end = self._frame.read(1)
        except zstandard.ZstdError as error:
            raise _corrupt_error(self.key, str(error)) from error
        if end != b"\n":
            raise CorruptArchive(f"{self.key} is not a raw object: a body has another length")
        return body

    def response(self, *, with_body: bool = True) -> ArchivedResponse:
        """The response of the entry, with its body unless it is left out."""
        assert self.entry is not None
        entry = self.entry
        place = PlaceResponse(
            slug=entry.slug,
            part=entry.part,
            outcome=entry.outcome,
            body=self.body() if with_body else None,
            requested_at=entry.requested_at,
            elapsed_ms=entry.elapsed_ms,
            http_status=entry.http_status,
            detail=entry.detail,
            url=entry.url,
            headers=entry.headers,
            received_sha256=entry.received_sha256,
        )
        return ArchivedResponse(self.poll, place, self.key)


def read_responses(key: str, blob: bytes) -> Iterator[ArchivedResponse]:
    """The responses in a raw object, sorted by slug and part; CorruptArchive if it is damaged."""
    reader = RawReader(key, blob)
    while reader.entry is not None:
        yield reader.response()
        reader.next_entry()


def decode_header(key: str, line: bytes | None) -> _Header:
    """The header line of a raw object of any format; CorruptArchive if it is not one."""
    if line is None:
        raise CorruptArchive(f"{key} is not a raw object: it is empty")
    try:
        # The format first: a later one may have another header.
        number = _VERSION.decode(line).format
        if number not in FORMATS:
            raise CorruptArchive(
                f"{key} has format {number}; this program reads "
                f"{' and '.join(map(str, FORMATS))}: install a newer version"
            )
        return _HEADER.decode(line)
    except (msgspec.DecodeError, ValueError) as error:
        raise _not_raw_error(key, error) from error


def decode_entry(key: str, line: bytes) -> Entry:
    """The line about a response, of format 2; CorruptArchive if it is not one."""
    try:
        entry = _ENTRY.decode(line)
    except (msgspec.DecodeError, ValueError) as error:
        raise _not_raw_error(key, error) from error
    if entry.length is not None and not 0 <= entry.length <= _MAX_BODY_BYTES:
        raise CorruptArchive(f"{key} is not a raw object: it states {entry.length:,} bytes of body")
    return entry


def _decode_line(key: str, line: bytes) -> tuple[Entry, bytes | None]:
    """A line of format 1, as entry and body."""
    try:
        fields = _LINE.decode(line)
        body = fields.body.encode() if fields.body is not None else None
        if fields.body_base64 is not None:
            body = base64.b64decode(fields.body_base64)
    except (msgspec.DecodeError, ValueError) as error:
        raise _not_raw_error(key, error) from error
    entry = Entry(
        slug=fields.slug,
        outcome=fields.outcome,
        requested_at=fields.requested_at,
        elapsed_ms=fields.elapsed_ms,
        http_status=fields.http_status,
        detail=fields.detail,
        sha256=fields.sha256,
    )
    return entry, body


def _key(poll: Poll, content_hash: str) -> str:
    """The key of a poll: feed, UTC date and hour of its slot, and hash of its content."""
    slot = f"{poll.slot_at.astimezone(UTC):{_SLOT_FORMAT}}"
    return f"{_folder(poll)}{slot}-{content_hash[:12]}{SUFFIX}"


def _folder(poll: Poll) -> str:
    return hour_prefix(poll.feed, Hour.of(poll.slot_at))


class _Version(msgspec.Struct):
    format: int


_VERSION = msgspec.json.Decoder(_Version)
_HEADER = msgspec.json.Decoder(_Header)
_LINE = msgspec.json.Decoder(_Line)
_ENTRY = msgspec.json.Decoder(Entry)
# `max_body_bytes` of a feed allows 1 GiB; imported files may be larger.
_MAX_BODY_BYTES = 1 << 31


def _entry(place: PlaceResponse) -> Entry:
    body = place.body
    return Entry(
        slug=place.slug,
        part=place.part,
        outcome=place.outcome,
        requested_at=place.requested_at,
        elapsed_ms=place.elapsed_ms,
        http_status=place.http_status,
        detail=place.detail,
        url=place.url,
        headers=dict(place.headers),
        received_sha256=place.received_sha256,
        sha256=None if body is None else hashlib.sha256(body).hexdigest(),
        length=None if body is None else len(body),
    )


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
    )


def _with_utc(poll: Poll) -> Poll:
    """The poll with aware times, so that they compare with those of other objects."""
    times = {name: getattr(poll, name) for name in ("slot_at", "started_at", "ended_at")}
    if all(time.tzinfo is not None for time in times.values()):
        return poll
    return msgspec.structs.replace(poll, **{name: _utc(time) for name, time in times.items()})


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _corrupt_error(key: str, reason: str) -> CorruptArchive:
    return CorruptArchive(
        f"{key} is damaged ({reason}); restore it from a backup: there is no other copy"
    )


def _not_raw_error(key: str, error: Exception) -> CorruptArchive:
    return CorruptArchive(f"{key} is not a raw object: {error}")

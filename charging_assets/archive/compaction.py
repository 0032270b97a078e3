"""Compaction: the raw objects of a past day become one object, about 1/300 of the JSON's size.

The steps of a day, each durable before the next: write the day object; read it back and compare it
with the originals; write its index, which makes it effective; delete the originals one by one. If
the process stops in between, every poll exists in one form or in both, and is listed once.
"""

from __future__ import annotations

import heapq
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import groupby, islice

import msgspec
import zstandard

from charging_assets import clock
from charging_assets.archive.compacted_days import (
    DAY_SUFFIX,
    FORMAT,
    INDEX_SUFFIX,
    POLL_SUFFIX,
    WINDOW_LOG,
    ArchiveLake,
    Frame,
    Index,
    block_of,
    poll_key,
    poll_name,
    read_lines,
)
from charging_assets.archive.raw_objects import CorruptArchive, raw_lines

# A day is compacted only when imports and late polls of it are unlikely.
GRACE = timedelta(days=2)
# Compacting fewer polls saves no space.
FEWEST_POLLS = 6
_LEVEL = 9
# The window must fit two answers of the largest place; readers need as much memory.
_WINDOW_LOG = 24
_LARGE_POLL_BYTES = 1_000_000


@dataclass(frozen=True)
class CompactedDay:
    """Result for one day of a feed: bytes of its raw objects before, of the day object after."""

    feed: str
    day: date
    polls: int
    bytes_before: int
    bytes_after: int


class _LineBody(msgspec.Struct):
    slug: str
    sha256: str | None = None
    body: str | None = None
    body_base64: str | None = None


_LINE_BODY = msgspec.json.Decoder(_LineBody)


def compact(
    lake: ArchiveLake,
    feed: str,
    days: Iterable[date] | None = None,
    *,
    now: datetime | None = None,
    progress: Callable[[CompactedDay], None] = lambda _: None,
) -> list[CompactedDay]:
    """Compact the complete days of a feed, or some of them; returns the days that changed.

    Raises:
        CorruptArchive: a raw object does not match the hash in its name. Its day is unchanged; the
            days before it are compacted.
    """
    prefix = f"raw/feed={feed}/"
    ended_before = (now or clock.utc_now()) - GRACE
    results = []
    for name in lake.inner.folders(prefix) if days is None else sorted(map(_folder_name, days)):
        try:
            day = date.fromisoformat(name.removeprefix("date="))
        except ValueError:
            continue
        ends_at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        if ends_at <= ended_before:
            result = _compact_day(lake, feed, day, f"{prefix}{name}/")
            if result is not None:
                progress(result)
                results.append(result)
    return results


def _compact_day(lake: ArchiveLake, feed: str, day: date, folder: str) -> CompactedDay | None:
    stored = [key for key in lake.inner.keys(folder) if key.endswith(POLL_SUFFIX)]
    indexes = lake.indexes(folder)
    compacted = {poll_key(folder, name) for index in indexes for name in index.polls}
    polls = 0
    before = after = 0
    # Originals left by an interrupted compaction, or written again since.
    for index in indexes:
        left = [key for key in stored if poll_name(key) in index.polls and _belongs(folder, key)]
        if left:
            _verify(lake, folder, index, left)
            before += _delete(lake, left)
            polls += len(left)
    new = [key for key in stored if key not in compacted and _belongs(folder, key)]
    if len(new) >= FEWEST_POLLS:
        body, index = _pack(lake, new)
        lake.inner.put_new(folder + index.day_object, body)
        _verify(lake, folder, index, new)
        encoded = msgspec.json.encode(index)
        index_key = folder + index.day_object.removesuffix(DAY_SUFFIX) + INDEX_SUFFIX
        if not lake.inner.put_new(index_key, encoded) and lake.inner.get(index_key) != encoded:
            raise CorruptArchive(
                f"{index_key} is not the index of {index.day_object}; move it away"
            )
        before += _delete(lake, new)
        polls += len(new)
        after = len(body) + len(encoded)
    return CompactedDay(feed, day, polls, before, after) if polls else None


def _pack(lake: ArchiveLake, keys: Sequence[str]) -> tuple[bytes, Index]:
    """The day object of raw objects and its index; the same objects give the same bytes."""
    parts: list[bytes] = []
    frames: list[Frame] = []
    offset = 0

    def add(block: int, compressed: bytes, runs: tuple[tuple[int, int], ...]) -> Frame:
        nonlocal offset
        parts.append(compressed)
        frame = Frame(block, offset, len(compressed), runs)
        offset += len(compressed)
        return frame

    headers = [_header(key, lake.inner.get(key)) for key in keys]
    packer = _Packer()
    for header in headers:
        packer.add(header)
    head = add(-1, packer.finish(), ((0, len(keys) - 1),))
    numbered = list(enumerate(keys))
    for block, group in groupby(numbered, key=lambda item: block_of(item[1])):
        polls, compressed = _pack_block(lake, list(group))
        frames.append(add(block, compressed, _runs(polls)))
    body = b"".join(parts)
    name = f"polls-{sha256(body).hexdigest()[:12]}{DAY_SUFFIX}"
    names = tuple(poll_name(key) for key in keys)
    return body, Index(
        format=FORMAT, day_object=name, polls=names, headers=head, frames=tuple(frames)
    )


def _pack_block(lake: ArchiveLake, numbered: Sequence[tuple[int, str]]) -> tuple[list[int], bytes]:
    """The answers of some polls as one frame, with the poll of each line.

    Lines are sorted by place: consecutive answers of a place differ little.
    """
    blobs = lake.inner.get_many([key for _, key in numbered])
    streams = [_answers(poll, key, blob) for (poll, key), blob in zip(numbered, blobs, strict=True)]
    is_large = max(map(len, blobs)) > _LARGE_POLL_BYTES
    polls, packer = [], _Packer(WINDOW_LOG if is_large else _WINDOW_LOG)
    for _slug, poll, line in heapq.merge(*streams, key=lambda line: line[:2]):
        polls.append(poll)
        packer.add(line)
    return polls, packer.finish()


def _answers(poll: int, key: str, blob: bytes) -> Iterator[tuple[str, int, bytes]]:
    for line in islice(raw_lines(key, blob), 1, None):
        yield _slug(key, line), poll, line


def _header(key: str, blob: bytes) -> bytes:
    header = next(raw_lines(key, blob), None)
    if header is None:
        raise CorruptArchive(f"{key} is not a raw object: it is empty")
    return header


def _slug(key: str, line: bytes) -> str:
    """The place of a line; CorruptArchive if its body does not match its checksum."""
    try:
        answer = _LINE_BODY.decode(line)
        body = answer.body.encode() if answer.body is not None else None
        if answer.body_base64 is not None:
            body = b64decode(answer.body_base64)
    except (msgspec.DecodeError, ValueError) as error:
        raise CorruptArchive(f"{key} is not a raw object: {error}") from error
    if body is not None and sha256(body).hexdigest() != answer.sha256:
        raise CorruptArchive(
            f"{key} is damaged (the answer of {answer.slug} does not match its checksum); its day "
            "is not compacted until it is restored from a backup"
        )
    return answer.slug


def _verify(lake: ArchiveLake, folder: str, index: Index, keys: Sequence[str]) -> None:
    """Raise CorruptArchive unless the stored day object equals the originals line by line."""
    originals = {index.polls.index(poll_name(key)): key for key in keys}
    compacted = {poll: sha256() for poll in originals}
    day_key = folder + index.day_object
    for poll, line in read_lines(day_key, lake.inner.get(day_key), index, originals.keys()):
        compacted[poll].update(line)
    for poll, key in originals.items():
        original = sha256()
        for line in raw_lines(key, lake.inner.get(key)):
            original.update(line + b"\n")
        if not poll_name(key).endswith(original.hexdigest()[:12]):
            raise CorruptArchive(f"{key} is damaged: its lines do not match the hash in its name")
        if original.digest() != compacted[poll].digest():
            raise CorruptArchive(f"{day_key} differs from {key}; both are kept")


def _delete(lake: ArchiveLake, keys: Sequence[str]) -> int:
    """Delete originals that are verified to be in a day object; returns their size in bytes."""
    freed = 0
    for key in keys:
        freed += len(lake.inner.get(key))
        lake.inner.delete(key)
    return freed


def _belongs(folder: str, key: str) -> bool:
    """Whether a key is in the folder of its hour: the index restores keys by that rule."""
    try:
        block_of(key)
    except ValueError:
        return False
    return poll_key(folder, poll_name(key)) == key


class _Packer:
    """Compresses lines into one zstd frame."""

    def __init__(self, window_log: int = _WINDOW_LOG) -> None:
        parameters = zstandard.ZstdCompressionParameters.from_level(
            _LEVEL, window_log=window_log, enable_ldm=True, write_checksum=True
        )
        self._compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        self._parts: list[bytes] = []

    def add(self, line: bytes) -> None:
        self._parts.append(self._compressor.compress(line + b"\n"))

    def finish(self) -> bytes:
        return b"".join([*self._parts, self._compressor.flush()])


def _runs(polls: Iterable[int]) -> tuple[tuple[int, int], ...]:
    runs: list[tuple[int, int]] = []
    for poll in polls:
        if runs and poll == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], poll)
        else:
            runs.append((poll, poll))
    return tuple(runs)


def _folder_name(day: date) -> str:
    return f"date={day:%Y-%m-%d}"

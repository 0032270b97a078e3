"""Compaction: the raw objects of a day that is over become one, a three-hundredth of the JSON.

Belongs here: which days, the order of the steps, and the proof before anything goes. Does not
belong here: the format, and reading it (`compacted`).

The steps of a day, each durable before the next: the day object; everything in it read back and
compared with the originals; its index, which makes it count; then the originals go, one by one.
Whatever is cut off in between, every poll is there in one form or in both, and is shown once.
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
from charging_assets.acquisition.compacted import (
    DAY_SUFFIX,
    FORMAT,
    INDEX_SUFFIX,
    POLL_SUFFIX,
    WINDOW_LOG,
    ArchiveLake,
    Frame,
    Index,
    block_of,
    contents,
    poll_key,
    poll_name,
)
from charging_assets.acquisition.raw_objects import CorruptArchive, raw_lines

# A day is left alone until imports and late polls of it are unlikely.
GRACE = timedelta(days=2)
# So few polls take no less room together than apart.
FEWEST_POLLS = 6
_LEVEL = 9
# The window has to hold two answers of the largest place, and costs readers as much memory.
_WINDOW_LOG = 24
_LARGE_POLL_BYTES = 1_000_000


@dataclass(frozen=True)
class Compacted:
    """What became of a feed's day. Bytes are of raw objects before, and of the day after."""

    feed: str
    day: date
    polls: int
    bytes_before: int
    bytes_after: int


class _Sealed(msgspec.Struct):
    slug: str
    sha256: str | None = None
    body: str | None = None
    body_base64: str | None = None


_SEALED = msgspec.json.Decoder(_Sealed)


def compact(
    lake: ArchiveLake,
    feed: str,
    days: Iterable[date] | None = None,
    *,
    now: datetime | None = None,
    progress: Callable[[Compacted], None] = lambda _: None,
) -> list[Compacted]:
    """Compact the complete days of a feed, or some of them; those with anything to do are told.

    CorruptArchive names the first raw object that is not what its name says; days before it are
    compacted, and its own is left as it was.
    """
    prefix = f"raw/feed={feed}/"
    over = (now or clock.utc_now()) - GRACE
    done = []
    for name in lake.inner.folders(prefix) if days is None else sorted(map(_folder_name, days)):
        try:
            day = date.fromisoformat(name.removeprefix("date="))
        except ValueError:
            continue
        ends_at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        if ends_at <= over:
            compacted = _compact_day(lake, feed, day, f"{prefix}{name}/")
            if compacted is not None:
                progress(compacted)
                done.append(compacted)
    return done


def _compact_day(lake: ArchiveLake, feed: str, day: date, folder: str) -> Compacted | None:
    held = [key for key in lake.inner.keys(folder) if key.endswith(POLL_SUFFIX)]
    indexes = lake.indexes(folder)
    known = {poll_key(folder, name) for index in indexes for name in index.polls}
    polls = 0
    before = after = 0
    # Left by a compaction that was cut off, or put there again since.
    for index in indexes:
        left = [key for key in held if poll_name(key) in index.polls and _belongs(folder, key)]
        if left:
            _proven(lake, folder, index, left)
            before += _removed(lake, left)
            polls += len(left)
    new = [key for key in held if key not in known and _belongs(folder, key)]
    if len(new) >= FEWEST_POLLS:
        body, index = _packed(lake, new)
        lake.inner.put_new(folder + index.day_object, body)
        _proven(lake, folder, index, new)
        encoded = msgspec.json.encode(index)
        index_key = folder + index.day_object.removesuffix(DAY_SUFFIX) + INDEX_SUFFIX
        if not lake.inner.put_new(index_key, encoded) and lake.inner.get(index_key) != encoded:
            raise CorruptArchive(
                f"{index_key} is not the index of {index.day_object}; move it away"
            )
        before += _removed(lake, new)
        polls += len(new)
        after = len(body) + len(encoded)
    return Compacted(feed, day, polls, before, after) if polls else None


def _packed(lake: ArchiveLake, keys: Sequence[str]) -> tuple[bytes, Index]:
    """The day object of some raw objects and its index; the same objects give the same bytes."""
    parts: list[bytes] = []
    frames: list[Frame] = []
    offset = 0

    def add(block: int, packed: bytes, runs: tuple[tuple[int, int], ...]) -> Frame:
        nonlocal offset
        parts.append(packed)
        frame = Frame(block, offset, len(packed), runs)
        offset += len(packed)
        return frame

    headers = [_header(key, lake.inner.get(key)) for key in keys]
    packer = _Packer()
    for header in headers:
        packer.add(header)
    head = add(-1, packer.packed(), ((0, len(keys) - 1),))
    numbered = list(enumerate(keys))
    for block, group in groupby(numbered, key=lambda each: block_of(each[1])):
        polls, packed = _packed_block(lake, list(group))
        frames.append(add(block, packed, _runs(polls)))
    body = b"".join(parts)
    name = f"polls-{sha256(body).hexdigest()[:12]}{DAY_SUFFIX}"
    names = tuple(poll_name(key) for key in keys)
    return body, Index(
        format=FORMAT, day_object=name, polls=names, headers=head, frames=tuple(frames)
    )


def _packed_block(
    lake: ArchiveLake, numbered: Sequence[tuple[int, str]]
) -> tuple[list[int], bytes]:
    """What all places answered in some polls, place by place: the poll of each line, and a frame.

    Answers of a place stand side by side, for they differ in little.
    """
    blobs = lake.inner.get_many([key for _, key in numbered])
    streams = [_answers(poll, key, blob) for (poll, key), blob in zip(numbered, blobs, strict=True)]
    is_large = max(map(len, blobs)) > _LARGE_POLL_BYTES
    polls, packer = [], _Packer(WINDOW_LOG if is_large else _WINDOW_LOG)
    for _slug, poll, line in heapq.merge(*streams, key=lambda each: each[:2]):
        polls.append(poll)
        packer.add(line)
    return polls, packer.packed()


def _answers(poll: int, key: str, blob: bytes) -> Iterator[tuple[str, int, bytes]]:
    for line in islice(raw_lines(key, blob), 1, None):
        yield _slug(key, line), poll, line


def _header(key: str, blob: bytes) -> bytes:
    header = next(raw_lines(key, blob), None)
    if header is None:
        raise CorruptArchive(f"{key} is not a raw object: it is empty")
    return header


def _slug(key: str, line: bytes) -> str:
    """The place of a line, whose body must be what its checksum says."""
    try:
        sealed = _SEALED.decode(line)
        body = sealed.body.encode() if sealed.body is not None else None
        if sealed.body_base64 is not None:
            body = b64decode(sealed.body_base64)
    except (msgspec.DecodeError, ValueError) as error:
        raise CorruptArchive(f"{key} is not a raw object: {error}") from error
    if body is not None and sha256(body).hexdigest() != sealed.sha256:
        raise CorruptArchive(
            f"{key} is damaged (the answer of {sealed.slug} has another checksum); its day is not "
            "compacted until it is restored from a backup"
        )
    return sealed.slug


def _proven(lake: ArchiveLake, folder: str, index: Index, keys: Sequence[str]) -> None:
    """Nothing, if what the lake holds of the day is the originals line by line."""
    wanted = {index.polls.index(poll_name(key)): key for key in keys}
    found = {poll: sha256() for poll in wanted}
    day_key = folder + index.day_object
    for poll, line in contents(day_key, lake.inner.get(day_key), index, wanted.keys()):
        found[poll].update(line)
    for poll, key in wanted.items():
        content = sha256()
        for line in raw_lines(key, lake.inner.get(key)):
            content.update(line + b"\n")
        if not poll_name(key).endswith(content.hexdigest()[:12]):
            raise CorruptArchive(f"{key} is damaged: its lines are not those of its name")
        if content.digest() != found[poll].digest():
            raise CorruptArchive(f"{day_key} does not hold {key} as it is; both stay")


def _removed(lake: ArchiveLake, keys: Sequence[str]) -> int:
    """Remove originals that were proven to be in a day object; the bytes that they took."""
    freed = 0
    for key in keys:
        freed += len(lake.inner.get(key))
        lake.inner.delete(key)
    return freed


def _belongs(folder: str, key: str) -> bool:
    """Whether a key is where its name says, so that the index leads back to it."""
    try:
        block_of(key)
    except ValueError:
        return False
    return poll_key(folder, poll_name(key)) == key


class _Packer:
    """Lines to one zstd frame."""

    def __init__(self, window_log: int = _WINDOW_LOG) -> None:
        parameters = zstandard.ZstdCompressionParameters.from_level(
            _LEVEL, window_log=window_log, enable_ldm=True, write_checksum=True
        )
        self._packing = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        self._parts: list[bytes] = []

    def add(self, line: bytes) -> None:
        self._parts.append(self._packing.compress(line + b"\n"))

    def packed(self) -> bytes:
        return b"".join([*self._parts, self._packing.flush()])


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

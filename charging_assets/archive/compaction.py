"""Compaction: the raw objects of a past day become one object, about 1/300 of the JSON's size.

The steps of a day, each durable before the next: write the day object; read it back and compare it
with the originals; write its index, which makes it effective; delete the originals one by one. If
the process stops in between, every poll exists in one form or in both, and is listed once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import groupby

import msgspec
import zstandard

from charging_assets import clock
from charging_assets.archive.compacted_days import (
    DAY_SUFFIX,
    INDEX_SUFFIX,
    MAX_WINDOW_LOG,
    MIN_WINDOW_LOG,
    POLL_SUFFIX,
    ArchiveLake,
    Frame,
    Index,
    block_of,
    poll_key,
    poll_name,
    read_contents,
)
from charging_assets.archive.raw_objects import CorruptArchive, RawReader
from charging_assets.archive.zstd_stream import FrameReader

# A day is compacted only when imports and late polls of it are unlikely.
GRACE = timedelta(days=2)
# Compacting fewer polls saves no space.
FEWEST_POLLS = 6
_LEVEL = 9


@dataclass(frozen=True)
class CompactedDay:
    """Result for one day of a feed: bytes of its raw objects before, of the day object after."""

    feed: str
    day: date
    polls: int
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True)
class _Survey:
    """A raw object whose checksums are verified: header line, format, largest answer in bytes."""

    header: bytes
    format: int
    largest: int


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

    surveys = [_survey(key, lake.inner.get(key)) for key in keys]
    packer = _Packer()
    for survey in surveys:
        packer.add(survey.header)
    head = add(-1, packer.finish(), ((0, len(keys) - 1),))
    numbered = list(enumerate(keys))
    for block, group in groupby(numbered, key=lambda item: block_of(item[1])):
        of_block = list(group)
        largest = max(surveys[poll].largest for poll, _ in of_block)
        polls, compressed = _pack_block(lake, of_block, largest)
        frames.append(add(block, compressed, _runs(polls)))
    body = b"".join(parts)
    name = f"polls-{sha256(body).hexdigest()[:12]}{DAY_SUFFIX}"
    names = tuple(poll_name(key) for key in keys)
    # Days of format 1 only get the index that earlier versions read.
    index_format = max(survey.format for survey in surveys)
    return body, Index(
        format=index_format, day_object=name, polls=names, headers=head, frames=tuple(frames)
    )


def _survey(key: str, blob: bytes) -> _Survey:
    """Read a raw object as a whole; CorruptArchive if an answer does not match its checksum."""
    reader, largest = RawReader(key, blob), 0
    while reader.entry is not None:
        largest = max(largest, len(reader.line) + reader.body_size)
        reader.verify_checksum()
        reader.next_entry()
    return _Survey(reader.header, reader.format, largest)


def _pack_block(
    lake: ArchiveLake, numbered: Sequence[tuple[int, str]], largest: int
) -> tuple[list[int], bytes]:
    """The answers of some polls as one frame, with the poll of each entry.

    Entries are sorted by place and part: consecutive answers of a place differ little. Answers are
    copied piece by piece, so that the memory is that of the compressed polls and of the window.
    """
    blobs = lake.inner.get_many([key for _, key in numbered])
    readers = [(poll, RawReader(key, blob))
               for (poll, key), blob in zip(numbered, blobs, strict=True)]  # fmt: skip
    polls, packer = [], _Packer(_window_log(largest))
    while waiting := [_place_of(reader) for _, reader in readers if reader.entry is not None]:
        place = min(waiting)
        for poll, reader in readers:
            while reader.entry is not None and _place_of(reader) == place:
                polls.append(poll)
                packer.add(reader.line)
                for piece in reader.body_pieces():
                    packer.add(piece)
                reader.next_entry()
    return polls, packer.finish()


def _place_of(reader: RawReader) -> tuple[str, int]:
    assert reader.entry is not None
    return reader.entry.slug, reader.entry.part


def _window_log(largest: int) -> int:
    """The window in which an answer and the one before it are found: a tenth larger than it."""
    return min(max((largest + largest // 10).bit_length(), MIN_WINDOW_LOG), MAX_WINDOW_LOG)


def _verify(lake: ArchiveLake, folder: str, index: Index, keys: Sequence[str]) -> None:
    """Raise CorruptArchive unless the stored day object has the contents of the originals."""
    originals = {index.polls.index(poll_name(key)): key for key in keys}
    compacted = {poll: sha256() for poll in originals}
    day_key = folder + index.day_object
    for poll, piece in read_contents(day_key, lake.inner.get(day_key), index, originals.keys()):
        compacted[poll].update(piece)
    for poll, key in originals.items():
        original = _content_hash(key, lake.inner.get(key))
        if not poll_name(key).endswith(original.hex()[:12]):
            raise CorruptArchive(f"{key} is damaged: it does not match the hash in its name")
        if original != compacted[poll].digest():
            raise CorruptArchive(f"{day_key} differs from {key}; both are kept")


def _content_hash(key: str, blob: bytes) -> bytes:
    content = sha256()
    try:
        for piece in FrameReader(blob).rest():
            content.update(piece)
    except zstandard.ZstdError as error:
        raise CorruptArchive(f"{key} is damaged ({error}); restore it from a backup") from error
    return content.digest()


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
    """Compresses pieces into one zstd frame."""

    def __init__(self, window_log: int = MIN_WINDOW_LOG) -> None:
        parameters = zstandard.ZstdCompressionParameters.from_level(
            _LEVEL, window_log=window_log, enable_ldm=True, write_checksum=True
        )
        self._compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        self._parts: list[bytes] = []

    def add(self, piece: bytes) -> None:
        self._parts.append(self._compressor.compress(piece))

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

"""The format of compacted days, and a lake that reads polls from them transparently.

A compacted day is two objects in the day's folder. `polls-<hash>.day.zst` contains the content of
raw objects verbatim, as consecutive zstd frames: the polls' header lines, then one frame for each
block of six hours with the entries of the block's polls, place by place. Consecutive answers of a
place differ little, so they compress well. `polls-<hash>.index.json` lists the polls and the
positions of the frames; a day object without an index is ignored. An index of format 1 has only raw
objects of format 1. Any program for zstd (`zstd -dc --long=31`) can decompress a day object.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import msgspec
import zstandard

from charging_assets.archive.raw_objects import (
    RAW,
    CorruptArchive,
    decode_entry,
    decode_header,
    slot_of_key,
)
from charging_assets.archive.zstd_stream import FrameReader
from charging_assets.lake.store import Lake, LakeError, ObjectMissing

FORMATS = (1, 2)
POLL_SUFFIX, DAY_SUFFIX, INDEX_SUFFIX = ".ndjson.zst", ".day.zst", ".index.json"
_DAY_FILE = re.compile(r"polls-[0-9a-f]{12}(\.day\.zst|\.index\.json)")
BLOCK_HOURS = 6
# The window of a frame is larger than its largest answer.
MIN_WINDOW_LOG, MAX_WINDOW_LOG = 24, 31
# A poll that is read is compressed again, faster than when it was archived.
_LEVEL = 1


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """A zstd frame of the day object: its block of hours and the polls of its entries, as runs.

    A run is the first and the last poll, by position in the index.
    """

    block: int
    offset: int
    length: int
    runs: tuple[tuple[int, int], ...]

    def polls(self) -> Iterator[int]:
        """The poll of each entry."""
        for first, last in self.runs:
            yield from range(first, last + 1)


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """Contents of a compacted day; `polls` are names of raw objects without folder and suffix."""

    format: int
    day_object: str
    polls: tuple[str, ...]
    headers: Frame
    frames: tuple[Frame, ...]


def day_folder(key: str) -> str:
    """The day's folder of a raw key: `raw/feed=…/date=…/`."""
    return "/".join(key.split("/")[:3]) + "/"


def poll_key(folder: str, name: str) -> str:
    """The key of a raw object by its name in a day's index."""
    return f"{folder}hour={name[9:11]}/{name}{POLL_SUFFIX}"


def poll_name(key: str) -> str:
    """A raw object's name in an index; the inverse of `poll_key`."""
    return key.rsplit("/", 1)[-1].removesuffix(POLL_SUFFIX)


def block_of(key: str) -> int:
    """The block of hours that a raw object's poll belongs to."""
    return slot_of_key(key).hour // BLOCK_HOURS


def read_index(key: str, body: bytes) -> Index:
    """Decode an index; CorruptArchive if it is invalid."""
    try:
        index = msgspec.json.decode(body, type=Index)
    except msgspec.DecodeError as error:
        raise CorruptArchive(f"{key} is not the index of a compacted day: {error}") from error
    if index.format not in FORMATS:
        raise CorruptArchive(
            f"{key} has format {index.format}; this program reads "
            f"{' and '.join(map(str, FORMATS))}: install a newer version"
        )
    return index


def read_contents(
    key: str, body: bytes, index: Index, positions: Collection[int]
) -> Iterator[tuple[int, bytes]]:
    """The contents of raw objects by position, as (poll, piece), each poll's in its own order."""
    formats: dict[int, int] = {}
    with _damage_named(key):
        headers = _FrameRecords(body, index.headers)
        for poll, line in headers:
            formats[poll] = decode_header(key, line).format
            if poll in positions:
                yield poll, line
        blocks = {int(index.polls[poll][9:11]) // BLOCK_HOURS for poll in positions}
        for frame in index.frames:
            if frame.block in blocks:
                records = _FrameRecords(body, frame)
                for poll, line in records:
                    is_wanted = poll in positions
                    if is_wanted:
                        yield poll, line
                    length = None if formats[poll] == 1 else decode_entry(key, line).length
                    if length is not None:
                        for piece in records.reader.pieces(length + 1):
                            if is_wanted:
                                yield poll, piece


class ArchiveLake:
    """A lake in which each poll has its own key, whether its day is compacted or not."""

    def __init__(self, inner: Lake) -> None:
        self.inner = inner
        self._indexes: dict[str, Index] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Without the cached indexes: another process reads those that it needs."""
        return {"inner": self.inner, "_indexes": {}}

    def put_new(self, key: str, body: bytes) -> bool:
        # Checked first: a compacted poll that is imported again is not new.
        if _is_poll(key) and self._find(key) is not None:
            return False
        return self.inner.put_new(key, body)

    def put(self, key: str, body: bytes) -> None:
        self.inner.put(key, body)

    def get(self, key: str) -> bytes:
        return self.get_many([key])[0]

    def get_many(self, keys: Iterable[str]) -> list[bytes]:
        requested = list(keys)
        try:
            return self.inner.get_many(requested)
        except ObjectMissing:
            if not any(map(_is_poll, requested)):
                raise
        blobs = self._read_compacted(requested)
        uncompacted = [key for key in requested if key not in blobs]
        blobs |= dict(zip(uncompacted, self.inner.get_many(uncompacted), strict=True))
        return [blobs[key] for key in requested]

    def keys(self, prefix: str) -> list[str]:
        if not prefix.startswith(RAW):
            return self.inner.keys(prefix)
        # The index that lists an hour's polls is in the folder of its day.
        folder = day_folder(prefix) if prefix.count("/") > 3 else prefix
        stored = self.inner.keys(folder)
        compacted = (poll_key(day_folder(key), name)
                     for key, index in self._read_indexes(stored)
                     for name in index.polls)  # fmt: skip
        uncompacted = {key for key in stored if not _is_day_file(key)}
        return sorted(key for key in {*uncompacted, *compacted} if key.startswith(prefix))

    def folders(self, prefix: str) -> list[str]:
        if prefix.startswith(RAW) and prefix.count("/") == 3:
            return sorted({key.removeprefix(prefix).split("/")[0] for key in self.keys(prefix)})
        return self.inner.folders(prefix)

    def delete(self, key: str) -> None:
        if _is_poll(key) and self._find(key) is not None:
            raise LakeError(f"{key} is part of a compacted day and cannot be deleted by itself")
        self.inner.delete(key)

    def uri(self, key: str) -> str:
        return self.inner.uri(key)

    def indexes(self, folder: str) -> list[Index]:
        """The indexes of a day's folder."""
        return [index for _, index in self._read_indexes(self.inner.keys(folder))]

    def _read_indexes(self, keys: Iterable[str]) -> list[tuple[str, Index]]:
        """The indexes among the keys. An index never changes, so each is fetched once."""
        index_keys = [key for key in keys if _is_day_file(key) and key.endswith(INDEX_SUFFIX)]
        uncached = [key for key in index_keys if key not in self._indexes]
        for key, body in zip(uncached, self.inner.get_many(uncached), strict=True):
            self._indexes[key] = read_index(key, body)
        return [(key, self._indexes[key]) for key in index_keys]

    def _find(self, key: str) -> tuple[str, Index] | None:
        """The folder and index of a compacted poll."""
        folder, name = day_folder(key), poll_name(key)
        for _, index in self._read_indexes(self.inner.keys(folder)):
            if name in index.polls and poll_key(folder, name) == key:
                return folder, index
        return None

    def _read_compacted(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Those of the raw objects that are compacted. Each day object is read once."""
        positions: dict[str, tuple[Index, set[int]]] = {}
        for key in keys:
            location = self._find(key) if _is_poll(key) else None
            if location is not None:
                folder, index = location
                polls = positions.setdefault(folder + index.day_object, (index, set()))[1]
                polls.add(index.polls.index(poll_name(key)))
        raw_objects: dict[str, bytes] = {}
        for day_key, (index, polls) in positions.items():
            blobs = _rebuild_raw_objects(day_key, self.inner.get(day_key), index, polls)
            folder = day_folder(day_key)
            raw_objects |= {poll_key(folder, index.polls[p]): blob for p, blob in blobs.items()}
        return raw_objects


def archive_lake(lake: Lake) -> ArchiveLake:
    """Wrap a lake in an `ArchiveLake`, unless it is one."""
    return lake if isinstance(lake, ArchiveLake) else ArchiveLake(lake)


def _is_poll(key: str) -> bool:
    return key.startswith(RAW) and key.endswith(POLL_SUFFIX)


def _is_day_file(key: str) -> bool:
    """Whether a key is of a compacted day; other objects are ignored."""
    return _DAY_FILE.fullmatch(key.rsplit("/", 1)[-1]) is not None


def _rebuild_raw_objects(key: str, body: bytes, index: Index, polls: set[int]) -> dict[int, bytes]:
    """Some polls as raw objects; CorruptArchive if one does not match the hash in its name."""
    compressors = {poll: zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
                   for poll in polls}  # fmt: skip
    parts: dict[int, list[bytes]] = defaultdict(list)
    hashes = {poll: sha256() for poll in polls}
    for poll, piece in read_contents(key, body, index, polls):
        hashes[poll].update(piece)
        parts[poll].append(compressors[poll].compress(piece))
    for poll, poll_hash in hashes.items():
        if not index.polls[poll].endswith(poll_hash.hexdigest()[:12]):
            raise CorruptArchive(
                f"{key} is damaged: {index.polls[poll]} does not match its hash; restore it "
                "from a backup"
            )
        parts[poll].append(compressors[poll].flush())
    return {poll: b"".join(poll_parts) for poll, poll_parts in parts.items()}


class _FrameRecords:
    """The lines of a frame, line ends included, with their polls; what follows a line is not read.

    Raises:
        ZstdError: the frame is damaged, or has not as many lines as polls.
    """

    def __init__(self, body: bytes, frame: Frame) -> None:
        compressed = memoryview(body)[frame.offset : frame.offset + frame.length]
        self.reader = FrameReader(compressed, 1 << MAX_WINDOW_LOG)
        self._frame = frame

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        for poll in self._frame.polls():
            line = self.reader.line()
            if line is None:
                raise zstandard.ZstdError("its end is missing")
            yield poll, line
        if self.reader.line() is not None:
            raise zstandard.ZstdError("it has more than its index states")


@contextmanager
def _damage_named(key: str) -> Iterator[None]:
    try:
        yield
    except (zstandard.ZstdError, LookupError) as error:
        raise CorruptArchive(f"{key} is damaged ({error}); restore it from a backup") from error

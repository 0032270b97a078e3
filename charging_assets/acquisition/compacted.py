"""Compacted days, and a lake in which nobody notices them.

Belongs here: the format of a compacted day and reading polls out of it. Does not belong here:
compacting (`compaction`), or what a poll says (`archive`).

A compacted day is two objects in the day's folder. `polls-<hash>.day.zst` holds the lines of raw
objects verbatim, as zstd frames one after the other: the polls' header lines, then a frame for each
block of six hours, with what each place answered in the block's polls, place by place. Neighbouring
answers of a place differ in little, so they take next to nothing. `polls-<hash>.index.json` names
the polls and says where the frames are; a day object that no index names is of no account.
`zstd -dc --long=27` and a JSON reader make sense of it in fifty years.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from hashlib import sha256
from typing import Any

import msgspec
import zstandard

from charging_assets.acquisition.raw_objects import RAW, CorruptArchive, slot_of_key
from charging_assets.storage.lake import Lake, LakeError, ObjectMissing

FORMAT = 1
POLL_SUFFIX, DAY_SUFFIX, INDEX_SUFFIX = ".ndjson.zst", ".day.zst", ".index.json"
_OURS = re.compile(r"polls-[0-9a-f]{12}(\.day\.zst|\.index\.json)")
BLOCK_HOURS = 6
WINDOW_LOG = 27
_CHUNK = 1 << 18
# A poll is handed out as it was archived, only quicker than it was packed then.
_LEVEL = 1


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """A zstd frame of the day object: its block of hours, and whose lines it holds, as runs.

    A run is the first and the last poll, by their position in the index.
    """

    block: int
    offset: int
    length: int
    runs: tuple[tuple[int, int], ...]

    def polls(self) -> Iterator[int]:
        """The poll of each line."""
        for first, last in self.runs:
            yield from range(first, last + 1)


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """What a compacted day holds; `polls` are names of raw objects without folder and suffix."""

    format: int
    day_object: str
    polls: tuple[str, ...]
    headers: Frame
    frames: tuple[Frame, ...]


def day_folder(key: str) -> str:
    """The folder of the day that a raw key belongs to: `raw/feed=…/date=…/`."""
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
    """An index; CorruptArchive names one that is none."""
    try:
        index = msgspec.json.decode(body, type=Index)
    except msgspec.DecodeError as error:
        raise CorruptArchive(f"{key} is no index of a compacted day: {error}") from error
    if index.format != FORMAT:
        raise CorruptArchive(f"{key} has format {index.format}; this program reads {FORMAT}")
    return index


def contents(
    key: str, body: bytes, index: Index, wanted: Collection[int]
) -> Iterator[tuple[int, bytes]]:
    """The lines of some polls, as (poll, line), each poll's in the order of its raw object."""
    for poll, line in _frame_lines(key, body, index.headers):
        if poll in wanted:
            yield poll, line
    blocks = {int(index.polls[poll][9:11]) // BLOCK_HOURS for poll in wanted}
    for frame in index.frames:
        if frame.block in blocks:
            for poll, line in _frame_lines(key, body, frame):
                if poll in wanted:
                    yield poll, line


class ArchiveLake:
    """A lake that shows each poll under its own key, whether its day was compacted or not."""

    def __init__(self, inner: Lake) -> None:
        self.inner = inner
        self._indexes: dict[str, Index] = {}

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs: it reads the indexes of its own days."""
        return {"inner": self.inner, "_indexes": {}}

    def put_new(self, key: str, body: bytes) -> bool:
        # Looked up first: a compacted poll that is imported again is not new.
        if _is_poll(key) and self._find(key) is not None:
            return False
        return self.inner.put_new(key, body)

    def put(self, key: str, body: bytes) -> None:
        self.inner.put(key, body)

    def get(self, key: str) -> bytes:
        return self.get_many([key])[0]

    def get_many(self, keys: Iterable[str]) -> list[bytes]:
        asked = list(keys)
        try:
            return self.inner.get_many(asked)
        except ObjectMissing:
            if not any(map(_is_poll, asked)):
                raise
        found = self._unpacked(asked)
        rest = [key for key in asked if key not in found]
        found |= dict(zip(rest, self.inner.get_many(rest), strict=True))
        return [found[key] for key in asked]

    def keys(self, prefix: str) -> list[str]:
        if not prefix.startswith(RAW):
            return self.inner.keys(prefix)
        # Where the indexes are: an hour's polls are named in its day's folder.
        folder = day_folder(prefix) if prefix.count("/") > 3 else prefix
        held = self.inner.keys(folder)
        named = (poll_key(day_folder(key), name)
                 for key, index in self._read(held) for name in index.polls)  # fmt: skip
        shown = {key for key in held if not _is_ours(key)}
        return sorted(key for key in {*shown, *named} if key.startswith(prefix))

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
        return [index for _, index in self._read(self.inner.keys(folder))]

    def _read(self, held: Iterable[str]) -> list[tuple[str, Index]]:
        """The indexes among some keys. An index never changes, so each is fetched once."""
        keys = [key for key in held if _is_ours(key) and key.endswith(INDEX_SUFFIX)]
        unknown = [key for key in keys if key not in self._indexes]
        for key, body in zip(unknown, self.inner.get_many(unknown), strict=True):
            self._indexes[key] = read_index(key, body)
        return [(key, self._indexes[key]) for key in keys]

    def _find(self, key: str) -> tuple[str, Index] | None:
        """The folder and index of a compacted poll."""
        folder, name = day_folder(key), poll_name(key)
        for _, index in self._read(self.inner.keys(folder)):
            if name in index.polls and poll_key(folder, name) == key:
                return folder, index
        return None

    def _unpacked(self, asked: Iterable[str]) -> dict[str, bytes]:
        """The compacted ones of some raw objects. Each day object is read once."""
        wanted: dict[str, tuple[Index, set[int]]] = {}
        for key in asked:
            found = self._find(key) if _is_poll(key) else None
            if found is not None:
                folder, index = found
                polls = wanted.setdefault(folder + index.day_object, (index, set()))[1]
                polls.add(index.polls.index(poll_name(key)))
        unpacked: dict[str, bytes] = {}
        for day_key, (index, polls) in wanted.items():
            blobs = _repacked(day_key, self.inner.get(day_key), index, polls)
            folder = day_folder(day_key)
            unpacked |= {poll_key(folder, index.polls[p]): blob for p, blob in blobs.items()}
        return unpacked


def archive_lake(lake: Lake) -> ArchiveLake:
    """A lake that shows compacted polls: the lake itself where it does."""
    return lake if isinstance(lake, ArchiveLake) else ArchiveLake(lake)


def _is_poll(key: str) -> bool:
    return key.startswith(RAW) and key.endswith(POLL_SUFFIX)


def _is_ours(key: str) -> bool:
    """Whether a key is of a compacted day: whatever else lies about is passed over."""
    return _OURS.fullmatch(key.rsplit("/", 1)[-1]) is not None


def _repacked(key: str, body: bytes, index: Index, polls: set[int]) -> dict[int, bytes]:
    """Some polls as raw objects; CorruptArchive for one that is not what its name says."""
    packing = {poll: zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
               for poll in polls}  # fmt: skip
    packed: dict[int, list[bytes]] = defaultdict(list)
    hashes = {poll: sha256() for poll in polls}
    for poll, line in contents(key, body, index, polls):
        hashes[poll].update(line)
        packed[poll].append(packing[poll].compress(line))
    for poll, hashed in hashes.items():
        if not index.polls[poll].endswith(hashed.hexdigest()[:12]):
            raise CorruptArchive(
                f"{key} is damaged: {index.polls[poll]} is not what was compacted; restore it "
                "from a backup"
            )
        packed[poll].append(packing[poll].flush())
    return {poll: b"".join(parts) for poll, parts in packed.items()}


def _frame_lines(key: str, body: bytes, frame: Frame) -> Iterator[tuple[int, bytes]]:
    """The lines of a frame with their polls; a line keeps its end."""
    reader = zstandard.ZstdDecompressor(max_window_size=1 << WINDOW_LOG).decompressobj()
    packed, rest = memoryview(body)[frame.offset : frame.offset + frame.length], b""
    polls = frame.polls()
    try:
        for start in range(0, len(packed), _CHUNK):
            *whole, rest = (rest + reader.decompress(packed[start : start + _CHUNK])).split(b"\n")
            for line in whole:
                yield next(polls), line + b"\n"
    except (zstandard.ZstdError, StopIteration) as error:
        raise CorruptArchive(f"{key} is damaged ({error}); restore it from a backup") from error
    if not reader.eof or rest or next(polls, None) is not None:
        raise CorruptArchive(f"{key} is damaged (its end is missing); restore it from a backup")

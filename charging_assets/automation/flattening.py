"""Flattening many hours, on several processors.

Belongs here: hours to flat files, in order, ahead of who asks for them. Does not belong here: what
flattening does (`preprocessing`), or what becomes of the files (`rebuild`).
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from multiprocessing.pool import Pool

from charging_assets import interrupts
from charging_assets.acquisition.archive import digest, feeds_of, read_places
from charging_assets.acquisition.identities import (
    FeedIdentity,
    effective_identities,
    record_identities,
)
from charging_assets.acquisition.raw_objects import CorruptArchive
from charging_assets.partitions import Hour
from charging_assets.preprocessing.flatten import flatten
from charging_assets.preprocessing.gate import violations
from charging_assets.preprocessing.version import flat_version
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.storage.flat_files import FlatFile, StaleFlatFile, open_flat, write_flat
from charging_assets.storage.lake import Lake, LakeError

# Neighbouring hours are nearly alike, and a process remembers what it has read.
_HOURS_A_TASK = 6


@dataclass(frozen=True)
class Flattened:
    """An hour's flat files are there, or `error` says why not."""

    hour: Hour
    status_rows: int
    seconds: float
    error: str | None = None


@contextmanager
def flattened_hours(
    lake: Lake, keys: Mapping[Hour, Sequence[str]], workers: int
) -> Iterator[Iterator[Flattened]]:
    """The hours in order, each once its flat files are of its raw objects and of this code.

    With `workers`, that many processes work ahead, if the lake can be handed to them.
    """
    asked = [(lake, hour, tuple(found)) for hour, found in keys.items()]
    if workers < 1 or len(asked) <= _HOURS_A_TASK or not _can_be_sent(lake):
        yield map(_flattened, asked)
        return
    with _started_pool(workers) as pool:
        yield pool.imap(_flattened_by_worker, asked, chunksize=_HOURS_A_TASK)


def _started_pool(workers: int) -> Pool:
    """Worker processes that a terminal's SIGINT does not reach, not even while they start."""
    with interrupts.hold_sigint():
        # The first process of a pool starts this one, which then unblocks SIGINT.
        resource_tracker.ensure_running()
        with interrupts.hold_sigint():
            return get_context("spawn").Pool(workers, interrupts.end_with_parent)


def _flattened_by_worker(asked: tuple[Lake, Hour, tuple[str, ...]]) -> Flattened:
    with interrupts.exit_on_sigterm():
        return _flattened(asked)


def _flattened(asked: tuple[Lake, Hour, tuple[str, ...]]) -> Flattened:
    lake, hour, keys = asked
    began = time.monotonic()
    try:
        rows = _flat_rows(lake, hour, keys)
    except (CorruptArchive, LakeError, StaleFlatFile) as error:
        return Flattened(hour, 0, time.monotonic() - began, f"{type(error).__name__}: {error}")
    return Flattened(hour, rows, time.monotonic() - began)


def _flat_rows(lake: Lake, hour: Hour, keys: Sequence[str]) -> int:
    identities = effective_identities(lake)
    files = _current(lake, hour, keys, identities) or _made(lake, hour, keys, identities)
    return _status_rows(files)


def _current(
    lake: Lake, hour: Hour, keys: Sequence[str], identities: Mapping[str, FeedIdentity]
) -> list[FlatFile] | None:
    """The hour's flat files, if they are what flattening it now would give."""
    try:
        files = [open_flat(lake, table, hour) for table in FLAT_TABLES]
    except StaleFlatFile:
        return None
    wanted = {(digest(keys, identities), flat_version())}
    return files if {(file.archive_digest, file.code_version) for file in files} == wanted else None


def _made(
    lake: Lake, hour: Hour, keys: Sequence[str], identities: Mapping[str, FeedIdentity]
) -> list[FlatFile]:
    record_identities(lake, feeds_of(keys), identities)
    rows = flatten(read_places(lake, keys), identities)
    broken = [told for table in FLAT_TABLES for told in violations(table, rows[table.name])]
    if broken:
        raise StaleFlatFile(f"the flat tables of {hour} break their schema: {'; '.join(broken)}")
    return [
        write_flat(
            lake,
            table,
            hour,
            rows[table.name],
            archive_digest=rows.archive_digest(keys, identities),
            code_version=flat_version(),
        )
        for table in FLAT_TABLES
    ]


def _status_rows(files: Sequence[FlatFile]) -> int:
    return next(file.row_count for file in files if file.table.name == "flat_status")


def _can_be_sent(lake: Lake) -> bool:
    """Whether another process can have the lake; one in memory would be a copy, and lost."""
    from charging_assets.storage.memory import MemoryLake

    if isinstance(lake, MemoryLake):
        return False
    try:
        pickle.dumps(lake)
    except Exception:  # whatever a client of some service raises
        return False
    return True

"""Flat files of one hour or of many: one hour at a time in memory, or one per worker process.

Belongs here: hours to flat files, in order. Does not belong here: what flattening does (`flatten`),
or what becomes of the files (`modelling`).
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import TimeoutError, get_context, resource_tracker
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

# Neighbouring hours are nearly alike, and a process caches what it has read.
_HOURS_A_CHUNK = 6
_POLL_INTERVAL_S = 2.0


@dataclass(frozen=True)
class FlattenedHour:
    """An hour's flat files in the order of `FLAT_TABLES`; none where `error` says why."""

    hour: Hour
    files: Sequence[FlatFile]
    seconds: float
    error: str | None = None


@contextmanager
def flatten_hours(
    lake: Lake, keys: Mapping[Hour, Sequence[str]], workers: int
) -> Iterator[Iterator[FlattenedHour]]:
    """Hours in order, each when its flat files have been written; `keys` are their raw objects.

    One hour alone is always flattened. Of several, those whose files are of the same raw objects
    and code are left as they are, so that a range that failed for some hours costs these alone.
    With `workers`, that many processes flatten, if the lake can be passed to them.
    """
    tasks = [_Task(lake, hour, tuple(of_hour), len(keys) > 1) for hour, of_hour in keys.items()]
    if workers < 1 or len(tasks) <= _HOURS_A_CHUNK or not _can_be_pickled(lake):
        yield map(_flatten_hour, tasks)
        return
    chunks = [tasks[at : at + _HOURS_A_CHUNK] for at in range(0, len(tasks), _HOURS_A_CHUNK)]
    with _started_pool(min(workers, len(chunks))) as pool:
        yield _pool_results(pool, chunks, lake)


def _pool_results(pool: Pool, chunks: Sequence[list[_Task]], lake: Lake) -> Iterator[FlattenedHour]:
    """The chunks' hours in order; where a worker process was killed, the rest in this process.

    A pool replaces a process that was killed (out of memory) and never answers what it was doing.
    """
    workers = _process_ids(pool)
    results = pool.imap(_flatten_in_worker, chunks)
    for number in range(len(chunks)):
        while True:
            try:
                flattened = results.next(timeout=_POLL_INTERVAL_S)
                break
            except TimeoutError:
                if _process_ids(pool) != workers:
                    for chunk in chunks[number:]:
                        yield from map(_flatten_hour, chunk)
                    return
        for hour in flattened:
            yield replace(hour, files=[replace(file, lake=lake) for file in hour.files])


def _process_ids(pool: Pool) -> set[int | None]:
    return {process.pid for process in pool._pool}  # type: ignore[attr-defined]


@dataclass(frozen=True)
class _Task:
    lake: Lake
    hour: Hour
    keys: tuple[str, ...]
    reuses: bool


def _started_pool(workers: int) -> Pool:
    """Worker processes that a terminal's SIGINT does not reach, not even while they start."""
    with interrupts.block_sigint():
        # The first process of a pool starts this one, which then unblocks SIGINT.
        resource_tracker.ensure_running()
        with interrupts.block_sigint():
            return get_context("spawn").Pool(workers, interrupts.end_with_parent)


def _flatten_in_worker(chunk: list[_Task]) -> list[FlattenedHour]:
    with interrupts.exit_on_sigterm():
        return [_flatten_hour(task) for task in chunk]


def _flatten_hour(task: _Task) -> FlattenedHour:
    started = time.monotonic()
    try:
        identities = effective_identities(task.lake)
        files = _current_files(task, identities) if task.reuses else None
        files = files or _write_files(task, identities)
    except (CorruptArchive, LakeError, StaleFlatFile) as error:
        reason = f"{type(error).__name__}: {error}"
        return FlattenedHour(task.hour, (), time.monotonic() - started, reason)
    return FlattenedHour(task.hour, files, time.monotonic() - started)


def _current_files(
    task: _Task, identities: Mapping[str, FeedIdentity]
) -> Sequence[FlatFile] | None:
    """The hour's flat files, if they are what flattening it now would give."""
    try:
        files = [open_flat(task.lake, table, task.hour) for table in FLAT_TABLES]
    except StaleFlatFile:
        return None
    wanted = {(digest(task.keys, identities), flat_version())}
    return files if {(file.archive_digest, file.code_version) for file in files} == wanted else None


def _write_files(task: _Task, identities: Mapping[str, FeedIdentity]) -> Sequence[FlatFile]:
    record_identities(task.lake, feeds_of(task.keys), identities)
    rows = flatten(read_places(task.lake, task.keys), identities)
    broken = [
        f"{table.name}: {violation}"
        for table in FLAT_TABLES
        for violation in violations(table, rows[table.name])
    ]
    if broken:
        raise StaleFlatFile(
            f"the flat tables of {task.hour} break their schema and were not written: "
            f"{'; '.join(broken)}"
        )
    return [
        write_flat(
            task.lake,
            table,
            task.hour,
            rows[table.name],
            archive_digest=rows.archive_digest(task.keys, identities),
            code_version=flat_version(),
        )
        for table in FLAT_TABLES
    ]


def _can_be_pickled(lake: Lake) -> bool:
    """Whether another process can have the lake; one in memory would be a copy, and lost."""
    from charging_assets.storage.memory import MemoryLake

    if isinstance(lake, MemoryLake):
        return False
    try:
        pickle.dumps(lake)
    except Exception:  # whatever a client of some service raises
        return False
    return True

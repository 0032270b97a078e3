"""Write the flat files of hours: one hour at a time in memory, or one per worker process."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import TimeoutError, get_context, resource_tracker
from multiprocessing.pool import Pool

from charging_assets import interrupts
from charging_assets.archive.identities import (
    FeedIdentity,
    effective_identities,
    record_identities,
    usable_identities,
)
from charging_assets.archive.raw_archive import digest, keys_by_feed, stream_places
from charging_assets.hours import Hour
from charging_assets.lake.flat_files import (
    NO_FEED,
    FlatFile,
    StaleFlatFile,
    delete_flat,
    flat_feeds,
    open_flat,
    write_flat,
)
from charging_assets.lake.store import Lake, LakeError
from charging_assets.preprocessing.flatten import FlatHour, flatten
from charging_assets.preprocessing.schema_check import find_violations
from charging_assets.preprocessing.version import flat_version
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.sources.feeds import FeedError

_log = logging.getLogger(__name__)

# Neighbouring hours are nearly alike, and a process caches what it has read.
_HOURS_A_CHUNK = 6
_POLL_INTERVAL_S = 2.0
# Worker processes need seconds to start and to import: fewer of work do not pay for them.
_POOL_WORTH_S = 8.0


@dataclass(frozen=True)
class FlattenedHour:
    """An hour's flat files, feed by feed in the order of `FLAT_TABLES`.

    `errors` has the reason by feed without new files; its earlier files stay in the lake.
    """

    hour: Hour
    files: Sequence[FlatFile]
    seconds: float
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def error(self) -> str | None:
        """Why the hour has no flat files at all; None where it has those of some feed."""
        return None if self.files else "; ".join(self.errors.values())


@contextmanager
def flatten_hours(
    lake: Lake, keys: Mapping[Hour, Sequence[str]], workers: int
) -> Iterator[Iterator[FlattenedHour]]:
    """Hours in order, each when its flat files have been written; `keys` are their raw objects.

    Feeds are flattened by themselves: one that cannot be flattened does not cost the others. Flat
    files of feeds that the hour has no raw objects of are deleted.

    One hour alone is always flattened. Of several, those whose files are of the same raw objects
    and code are left as they are, so that a range that failed for some hours costs these alone.
    With `workers`, that many processes flatten, if the lake can be passed to them; of at most six
    hours only if the first of them shows that it pays.
    """
    feeds = tuple(flat_feeds(lake, FLAT_TABLES[0]))
    tasks = [
        _Task(lake, hour, tuple(of_hour), len(keys) > 1, feeds) for hour, of_hour in keys.items()
    ]
    if workers < 1 or len(tasks) < 2 or not _can_be_pickled(lake):
        yield map(_flatten_hour, tasks)
        return
    if len(tasks) <= _HOURS_A_CHUNK:
        with closing(_flatten_few(tasks, workers, lake)) as flattened:
            yield flattened
        return
    chunks = [tasks[at : at + _HOURS_A_CHUNK] for at in range(0, len(tasks), _HOURS_A_CHUNK)]
    with _started_pool(min(workers, len(chunks))) as pool:
        yield _pool_results(pool, chunks, lake)


def _flatten_few(
    tasks: Sequence[_Task], workers: int, lake: Lake
) -> Generator[FlattenedHour, None, None]:
    """Few hours in order: the first in this process, the others in a pool if they take long."""
    first, *others = tasks
    flattened = _flatten_hour(first)
    yield flattened
    if workers < 2 or flattened.seconds * len(others) < _POOL_WORTH_S:
        yield from map(_flatten_hour, others)
        return
    with _started_pool(min(workers, len(others))) as pool:
        yield from _pool_results(pool, [[task] for task in others], lake)


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
    # Feeds that have flat files of any hour.
    flat_feeds: tuple[str, ...]


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
    files: list[FlatFile] = []
    errors: dict[str, str] = {}
    of_feeds = keys_by_feed(task.keys) or {NO_FEED: []}
    try:
        usable = usable_identities(task.lake)
        for feed in set(task.flat_feeds) - of_feeds.keys():
            delete_flat(task.lake, FLAT_TABLES, feed, task.hour)
    except (FeedError, LakeError) as error:
        errors = dict.fromkeys(of_feeds, _reason(error))
        return FlattenedHour(task.hour, (), time.monotonic() - started, errors)
    for feed, keys in of_feeds.items():
        try:
            if feed in usable.errors:
                raise usable.errors[feed]
            current = _current_files(task, feed, keys, usable.identities) if task.reuses else None
            files += current or _write_files(task, feed, keys, usable.identities)
        except Exception as error:  # also of a kind that a user has written
            _log.debug("flattening %s of feed %r failed", task.hour, feed, exc_info=True)
            errors[feed] = _reason(error)
    return FlattenedHour(task.hour, files, time.monotonic() - started, errors)


def flatten_failure(lake: Lake, feed: str, keys: Sequence[str]) -> str | None:
    """Why the flat files of a feed's hour cannot be made from its raw objects; None if they can."""
    try:
        _flat_tables(lake, keys, effective_identities(lake, [feed]), "the hour")
    except Exception as error:
        return _reason(error)
    return None


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _current_files(
    task: _Task, feed: str, keys: Sequence[str], identities: Mapping[str, FeedIdentity]
) -> Sequence[FlatFile] | None:
    """The flat files of a feed's hour, if they are what flattening it now would give."""
    try:
        files = [open_flat(task.lake, table, feed, task.hour) for table in FLAT_TABLES]
    except StaleFlatFile:
        return None
    wanted = {(digest(keys, identities), flat_version())}
    return files if {(file.archive_digest, file.code_version) for file in files} == wanted else None


def _write_files(
    task: _Task, feed: str, keys: Sequence[str], identities: Mapping[str, FeedIdentity]
) -> Sequence[FlatFile]:
    if keys:
        record_identities(task.lake, [feed], identities)
    rows = _flat_tables(task.lake, keys, identities, str(task.hour))
    return [
        write_flat(
            task.lake,
            table,
            feed,
            task.hour,
            rows[table.name],
            archive_digest=rows.archive_digest(keys, identities),
            code_version=flat_version(),
        )
        for table in FLAT_TABLES
    ]


def _flat_tables(
    lake: Lake, keys: Sequence[str], identities: Mapping[str, FeedIdentity], hour: str
) -> FlatHour:
    rows = flatten(stream_places(lake, keys), identities)
    broken = [
        f"{table.name}: {violation}"
        for table in FLAT_TABLES
        for violation in find_violations(table, rows[table.name])
    ]
    if broken:
        raise StaleFlatFile(
            f"the flat tables of {hour} break their schema and were not written: "
            f"{'; '.join(broken)}"
        )
    return rows


def _can_be_pickled(lake: Lake) -> bool:
    """Whether another process can have the lake; one in memory would be a copy, and lost."""
    from charging_assets.lake.memory import MemoryLake

    if isinstance(lake, MemoryLake):
        return False
    try:
        pickle.dumps(lake)
    except Exception:  # whatever a client of some service raises
        return False
    return True

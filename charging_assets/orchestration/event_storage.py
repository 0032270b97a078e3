"""Dagster's SQLite event storage, with connections that stay open.

Dagster's own storage opens its files again for each of the three or four statements of an event,
and waits for the disk when it closes them. A run of a range stores an event for each asset, check
and hour. The packaged `dagster.yaml` names this class; files and rows are those of Dagster.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import sqlalchemy as sa
from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorageWatchdog
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy.pool import NullPool, StaticPool
from watchdog.observers import Observer

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent

# The index, and the files of runs that are stored or displayed: the web server reads many.
_MAX_OPEN = 8
# A file that is not used for this time is closed, so that a deleted one does not occupy the disk.
_MAX_IDLE_S = 30.0
_OPTIONS = {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
_BATCH_TYPES = {
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
}
# Connections of a parent process. SQLite does not allow their use, or closing them, after a fork.
_inherited: list[Any] = []


@dataclass
class _OpenFile:
    engine: sa.Engine
    # Device and inode; None if the file is absent.
    identity: tuple[int, int] | None
    used_at: float
    cursors: list[Any] = field(default_factory=list)


class PooledSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's storage of events in `history/runs` of its home, one open connection per file.

    A commit does not wait for the disk (`synchronous=NORMAL`): a power failure may lose the last
    events but leaves the files intact, and a killed process loses none. The ledger of the
    warehouse, not an event, states which hours are loaded.

    Threads use a file one at a time, as in Dagster's own storage. A process that forks or starts
    another one shares no connection with it.

    Args:
        base_dir: the folder of the files; by default that of Dagster's own storage, in the root
            directory of the instance.
    """

    # Of narrower types in Dagster.
    _db_lock: Any
    _obs: Any

    def __init__(
        self, base_dir: str | None = None, inst_data: ConfigurableClassData | None = None
    ) -> None:
        self._inst_data = inst_data
        self._files: dict[str, _OpenFile] = {}
        # Connections of the transaction of an event or a batch of events, by file.
        self._transactions: dict[str, sa.Connection] | None = None
        self._existing: set[str] = set()
        self._pid = os.getpid()
        self._swept_at = time.monotonic()
        self._is_ready = False
        if base_dir is not None:
            self._prepare(base_dir)

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {"base_dir": dg.Field(dg.StringSource, is_required=False)}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> PooledSqliteEventLogStorage:
        return cls(config_value.get("base_dir"), inst_data)

    def register_instance(self, instance: dg.DagsterInstance) -> None:
        # Settings cannot name a folder relative to the home, and only the instance knows the home.
        if not self._is_ready:
            self._prepare(str(Path(instance.root_directory) / "history" / "runs"))
        super().register_instance(instance)

    def _prepare(self, base_dir: str) -> None:
        super().__init__(base_dir, self._inst_data)
        # Reentrant, for the statements of a transaction.
        self._db_lock = threading.RLock()
        self._is_ready = True

    # Dagster queries these for each event. Tables and columns are never dropped.
    def has_table(self, table_name: str) -> bool:
        if table_name not in self._existing and super().has_table(table_name):
            self._existing.add(table_name)
        return table_name in self._existing

    def _has_asset_key_col_on_connection(self, conn: sa.Connection, column_name: str) -> bool:
        column = f"asset_keys.{column_name}"
        if column not in self._existing and super()._has_asset_key_col_on_connection(
            conn, column_name
        ):
            self._existing.add(column)
        return column in self._existing

    def store_event(self, event: dg.EventLogEntry) -> None:
        with self._transaction():
            super().store_event(event)

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        # Never wait for the file of a run while the index is locked: others lock them in order.
        for run_id, events_of_run in groupby(events, key=lambda event: event.run_id):
            with self._transaction():
                for is_batch, group in groupby(events_of_run, key=_has_batch_type):
                    if is_batch:
                        self._store_asset_events(run_id, list(group))
                    else:
                        for event in group:
                            super().store_event(event)

    def _store_asset_events(self, run_id: str, events: Sequence[dg.EventLogEntry]) -> None:
        """Store materializations, done or planned, by a statement per table."""
        rows = [self._event_to_row(event) for event in events]
        insert = SqlEventLogStorageTable.insert()
        with self.run_connection(run_id) as connection:
            connection.execute(insert, rows)
        with self.index_connection() as connection:
            ids = insert.returning(SqlEventLogStorageTable.c.id, sort_by_parameter_order=True)
            event_ids = list(connection.execute(ids, rows).scalars())
            self._store_asset_event_tags(connection, events, event_ids)
            # The row of an asset has its newest event of each type.
            newest = {
                (row["asset_key"], row["dagster_event_type"]): (event, event_id)
                for row, event, event_id in zip(rows, events, event_ids, strict=True)
            }
            for event, event_id in newest.values():
                self._store_asset_event(connection, event, event_id)

    def delete_events(self, run_id: str) -> None:
        super().delete_events(run_id)
        # Run retention deletes the file next.
        with self._db_lock:
            self._close(run_id)

    def wipe(self) -> None:
        self.close()
        super().wipe()

    def dispose(self) -> None:
        super().dispose()
        if self._is_ready:
            self.close()

    def close(self) -> None:
        """Close all files. The next statement opens them again."""
        self._leave_parent()
        with self._db_lock:
            for shard in list(self._files):
                self._close(shard)

    def watch(self, run_id: str, cursor: str | None, callback: Any) -> None:
        # Dagster's watchdog looks at the file alone, which changes when its last connection is
        # closed; until then, events are in the write-ahead log.
        if not self._obs:
            self._obs = Observer()
            self._obs.start()
        watchdog = _LogWatchdog(self, run_id, callback, cursor)
        watch = self._obs.schedule(watchdog, self._base_dir)
        self._watchers[run_id][callback] = (watchdog, watch)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One transaction per file for all statements of a block.

        The file of the run is committed first, then the index, as by Dagster's own storage.
        """
        self._leave_parent()
        with self._db_lock, ExitStack() as files:
            transactions = self._transactions = {}
            self._open_transactions = files
            try:
                yield
            finally:
                self._transactions = None
            for connection in transactions.values():
                connection.commit()

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        self._leave_parent()
        with self._db_lock:
            if self._transactions is None:
                with self._begin(shard) as connection:
                    yield connection
                    connection.commit()
                return
            if shard not in self._transactions:
                connection = self._open_transactions.enter_context(self._begin(shard))
                self._transactions[shard] = connection
            yield self._transactions[shard]

    @contextmanager
    def _begin(self, shard: str) -> Iterator[sa.Connection]:
        """A transaction on a file, which is rolled back unless it is committed."""
        file = self._open(shard)
        try:
            with file.engine.connect() as connection:
                connection.begin()
                yield connection
        finally:
            # An open cursor would keep the file's state of now for all later statements.
            for cursor in file.cursors:
                cursor.close()
            file.cursors.clear()

    def _open(self, shard: str) -> _OpenFile:
        now = time.monotonic()
        self._close_unused(now, shard)
        path = self.path_for_shard(shard)
        existing = self._files.pop(shard, None)
        if existing is not None and existing.identity != _identity(path):
            # Another process deleted the file, for example run retention.
            existing.engine.dispose()
            self._initialized_dbs.discard(shard)
            existing = None
        file = existing or self._connect_file(shard, path)
        file.used_at = now
        self._files[shard] = file
        return file

    def _close_unused(self, now: float, shard: str) -> None:
        """Close idle files, and those used longest ago if too many would be open."""
        in_use = {shard, *(self._transactions or ())}
        unused = [name for name in self._files if name not in in_use]
        if now - self._swept_at > _MAX_IDLE_S:
            self._swept_at = now
            for name in unused:
                if now - self._files[name].used_at > _MAX_IDLE_S:
                    self._close(name)
        excess = len(self._files.keys() | {shard}) - _MAX_OPEN
        for name in unused[: max(excess, 0)]:
            self._close(name)

    def _connect_file(self, shard: str, path: str) -> _OpenFile:
        address = self.conn_string_for_shard(shard)
        if shard not in self._initialized_dbs or not Path(path).exists():
            self._initdb(sa.create_engine(address, poolclass=NullPool, connect_args=_OPTIONS))
            self._initialized_dbs.add(shard)
        # One connection for all threads: `_connect` admits one of them at a time.
        engine = sa.create_engine(
            address, poolclass=StaticPool, connect_args={**_OPTIONS, "check_same_thread": False}
        )
        file = _OpenFile(engine, _identity(path), 0.0)
        sa.event.listen(engine, "connect", _set_synchronous)

        @sa.event.listens_for(engine, "after_cursor_execute")
        def keep_cursor(_: Any, cursor: Any, *__: Any) -> None:
            file.cursors.append(cursor)

        return file

    def _close(self, shard: str) -> None:
        file = self._files.pop(shard, None)
        if file is not None:
            file.engine.dispose()

    def _leave_parent(self) -> None:
        """In a forked child, leave the connections to the parent process."""
        if self._pid != os.getpid():
            _inherited.append(self._files)
            self._files, self._pid = {}, os.getpid()
            self._db_lock = threading.RLock()
            self._transactions = None


class _LogWatchdog(SqliteEventLogStorageWatchdog):
    """Dagster's watchdog, which also looks at the write-ahead log of the file."""

    def __init__(
        self, storage: SqliteEventLogStorage, run_id: str, callback: Any, cursor: str | None
    ) -> None:
        super().__init__(storage, run_id, callback, cursor)
        self._patterns = [self._log_path, f"{self._log_path}-wal"]

    def on_modified(self, event: FileSystemEvent) -> None:
        self._process_log()


def _has_batch_type(event: dg.EventLogEntry) -> bool:
    return event.is_dagster_event and event.dagster_event_type in _BATCH_TYPES


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _set_synchronous(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")

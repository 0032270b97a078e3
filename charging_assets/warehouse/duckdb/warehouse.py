"""DuckDB as the warehouse: the embedded default.

Only one process at a time can open the file for writing, and none can read meanwhile. So every
connection is opened as late as possible and closed at once, and a process that finds the file
locked waits and retries: readers and loads do not make each other fail.

The first writer renames a file of an older generation; readers never do.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from charging_assets import clock
from charging_assets.lake.folders import make_private
from charging_assets.schemas.table import Table
from charging_assets.warehouse.cancellation import interruptible
from charging_assets.warehouse.duckdb.connection import (
    STAGING_ROW_GROUP_SIZE,
    WAREHOUSE_ROW_GROUP_SIZE,
    connect_duckdb,
    is_locked,
    is_newer_format,
    lock_holder,
    raise_interrupts,
    require_select,
)
from charging_assets.warehouse.duckdb.old_files import rename_old_file
from charging_assets.warehouse.executor import execute_plan, new_load_id, read_rows
from charging_assets.warehouse.frames import create_or_cast, plain, replace_in_transaction
from charging_assets.warehouse.generation import (
    FILE_NAME,
    FORMER_FILE_NAMES,
    GENERATION,
    Mismatch,
    find_mismatch,
    generation_of,
)
from charging_assets.warehouse.interface import (
    NoWarehouse,
    OtherGeneration,
    QueryRefused,
    Warehouse,
    WarehouseError,
)
from charging_assets.warehouse.migrations import is_current, migrate, schema_digest
from charging_assets.warehouse.plan import (
    CreateTempTable,
    LoadError,
    LoadResult,
    Params,
    Plan,
    PlanChanged,
    ReplaceFromArrow,
    Scope,
)
from charging_assets.warehouse.transpile import bind_params

_log = logging.getLogger(__name__)
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.02, 0.5


class DuckDBSession:
    """An open DuckDB transaction."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def execute(self, sql: str, params: Params) -> None:
        statement, values = bind_params(sql, params)
        self._connection.execute(statement, values)

    def fetch(self, sql: str, params: Params) -> Sequence[tuple[Any, ...]]:
        statement, values = bind_params(sql, params)
        return self._connection.execute(statement, values).fetchall()

    def execute_insert(self, sql: str, params: Params) -> int:
        ((added,),) = self.fetch(sql, params)
        return int(added)

    def insert_arrow(self, table: Table, rows: pa.Table) -> int:
        names = ", ".join(table.names)
        self._connection.register("incoming_rows", _by_row_group(rows))
        try:
            return self.execute_insert(
                f"INSERT INTO {table.full_name} ({names}) SELECT {names} FROM incoming_rows", {}
            )
        finally:
            self._connection.unregister("incoming_rows")

    def create_temp_table(self, temp: CreateTempTable) -> None:
        self.execute(f"DROP TABLE IF EXISTS {temp.name}", {})
        self.execute(f"CREATE TEMPORARY TABLE {temp.name} AS {temp.select}", temp.params)

    @property
    def dialect(self) -> str:
        return "duckdb"


def _by_row_group(rows: pa.Table) -> pa.Table:
    """Split rows into chunks that fill row groups: other chunks are merged, at a cost."""
    if rows.num_rows <= STAGING_ROW_GROUP_SIZE:
        return rows
    batches = rows.combine_chunks().to_batches(max_chunksize=STAGING_ROW_GROUP_SIZE)
    return pa.Table.from_batches(batches, rows.schema)


class DuckDBWarehouse:
    """A `Warehouse` in a DuckDB file, or in memory where `path` is None (gone with the object)."""

    def __init__(self, path: Path | None, *, lock_timeout_s: float = 60.0) -> None:
        self.path = path
        self._lock_timeout_s = lock_timeout_s
        self._mutex = threading.RLock()
        self._memory = connect_duckdb(None) if path is None else None
        self._is_migrated = False
        # The file (device, inode) whose generation was compared: another may take its place.
        self._compared: tuple[int, int] | None = None

    def apply(self, plan: Plan) -> LoadResult:
        return self.apply_all([plan])[0]

    def apply_all(self, plans: Sequence[Plan]) -> list[LoadResult]:
        with raise_interrupts(), self._mutex, self._writing(_row_group(plans)) as connection:
            return [self._apply(connection, plan) for plan in plans]

    def _apply(self, connection: duckdb.DuckDBPyConnection, plan: Plan) -> LoadResult:
        while True:
            try:
                return self._apply_once(connection, plan)
            except PlanChanged as changed:
                plan = changed.make_plan()

    def _apply_once(self, connection: duckdb.DuckDBPyConnection, plan: Plan) -> LoadResult:
        rows = read_rows(plan)
        try:
            with self._transaction(connection) as session:
                result = execute_plan(session, plan, rows, new_load_id())
        except duckdb.Error as error:  # COMMIT's too: on a full disk it is what fails
            raise LoadError(
                f"loading {plan.asset} for {plan.hour} failed, nothing was changed: {error}"
            ) from error
        return result

    def query(self, sql: str, params: Params | None = None) -> pa.Table:
        with self.reading() as reader:
            return reader.query(sql, params)

    def query_batches(self, sql: str, params: Params | None = None) -> Iterator[pa.Table]:
        yield self.query(sql, params)

    def select(self, statement: str, values: Mapping[str, Any] | Sequence[Any] = ()) -> pa.Table:
        """Rows of one SELECT in DuckDB's dialect; values by name for `$name`, else by position."""
        with self.reading() as reader:
            return reader.select(statement, values)

    @contextmanager
    def reading(self) -> Iterator[_Reader]:
        reader = _Reader(self)
        try:
            yield reader
        finally:
            reader.close()

    def replace_rows(self, table: Table, scope: Scope, rows: pa.Table) -> None:
        with raise_interrupts(), self._mutex, self._writing() as connection:
            try:
                with self._transaction(connection) as session:
                    replace_in_transaction(
                        session, table, scope, create_or_cast(session, table, rows)
                    )
            except duckdb.Error as error:
                table_name = f"{plain(table.schema)}.{plain(table.name)}"
                raise LoadError(
                    f"storing {table_name} failed, nothing was changed: {error}"
                ) from error

    def execute(self, *statements: tuple[str, Params]) -> None:
        with raise_interrupts(), self._mutex, self._writing() as connection:
            try:
                with self._transaction(connection) as session:
                    for sql, params in statements:
                        session.execute(sql, params)
            except duckdb.Error as error:
                raise LoadError(
                    f"changing the warehouse failed, nothing was changed: {error}"
                ) from error

    def maintain(self) -> list[str]:
        with raise_interrupts(), self._mutex, self._writing() as connection:
            for statement in ("ANALYZE", "CHECKPOINT"):
                connection.execute(statement)
        return [f"{self.describe()}: statistics renewed, space given back"]

    def describe(self) -> str:
        return f"DuckDB at {self.path}" if self.path else "DuckDB in memory"

    @contextmanager
    def _transaction(self, connection: duckdb.DuckDBPyConnection) -> Iterator[DuckDBSession]:
        connection.execute("BEGIN TRANSACTION")
        session = DuckDBSession(connection)
        try:
            if not self._is_migrated:
                migrate(session)
            yield session
            connection.execute("COMMIT")
            self._is_migrated = True
        except BaseException:
            _roll_back(connection)
            raise

    @contextmanager
    def _writing(
        self, row_group: int = WAREHOUSE_ROW_GROUP_SIZE
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        if self._memory is not None:
            yield self._memory
            return
        assert self.path is not None
        make_private(self.path.parent)
        # Users may move the warehouse away, to have it created again, while this program runs.
        if not self.path.exists():
            self._compared, self._is_migrated = None, False
        connection = self._connect_to_current(row_group)
        try:
            yield connection
        finally:
            connection.close()

    def _connect_to_current(self, row_group: int) -> duckdb.DuckDBPyConnection:
        """Open a connection for writing, after renaming files of older generations."""
        assert self.path is not None
        if not self.path.exists():
            for former in self._former_files():
                self._move_former_aside(former)
        is_seen_twice = False
        while True:
            connection = self._connect(read_only=False, row_group=row_group)
            try:
                other = self._compare(connection)
                if other is None:
                    return connection
                # Only at the second attempt: another process may have renamed the file after it was
                # opened here, and the path may already have its new file.
                if is_seen_twice:
                    self._rename_old_file(self.path, connection, other.generation, other.reason)
            except BaseException:
                connection.close()
                raise
            connection.close()
            is_seen_twice = True

    def _compare(self, connection: duckdb.DuckDBPyConnection) -> Mismatch | None:
        """Why the file's tables cannot be kept. Compares each file and its schema only once."""
        assert self.path is not None
        file = _file_id(self.path)
        if file is not None and file == self._compared:
            return None
        session = DuckDBSession(connection)
        other = find_mismatch(session)
        if other is None:
            try:
                self._is_migrated = is_current(session, schema_digest("duckdb"))
            except duckdb.CatalogException:
                self._is_migrated = False
            self._compared = file
        return other

    def _former_files(self) -> list[Path]:
        """Files with former names of the warehouse; they may belong to another program."""
        if self.path is None or self.path.name != FILE_NAME:
            return []
        former = (self.path.with_name(name) for name in FORMER_FILE_NAMES)
        return [path for path in former if path.exists()]

    def _move_former_aside(self, former: Path) -> None:
        if _former_generation(former) is None or not former.exists():
            return
        connection = self._connect(read_only=False, path=former)
        try:
            generation = generation_of(DuckDBSession(connection))
            if generation is not None:  # otherwise another process has replaced the file
                self._rename_old_file(
                    former, connection, generation, f"the name is now {FILE_NAME}"
                )
        finally:
            connection.close()

    def _rename_old_file(
        self, path: Path, connection: duckdb.DuckDBPyConnection, generation: int, reason: str
    ) -> None:
        target = rename_old_file(path, connection, generation, clock.utc_now())
        self._compared, self._is_migrated = None, False
        _log.warning(
            "%s is of generation %s (%s): renamed to %s. Every archived hour is loaded again; "
            "nothing reads the old file any more, delete it when you do not need it",
            path, generation, reason, target,
        )  # fmt: skip

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        if self._memory is not None:
            with self._mutex:
                with self._transaction(self._memory):
                    pass
                yield self._memory
            return
        with self._mutex:
            connection = self._connect(read_only=True)
            try:
                if other := self._compare(connection):
                    raise _other_generation(self.path, other.generation, other.reason)
                yield connection
            finally:
                connection.close()

    def require(self) -> None:
        """Nothing, if there is a file to read, or none is needed; NoWarehouse if there is none."""
        if self.path is None or self.path.exists():
            return
        for former in self._former_files():
            generation = _former_generation(former)
            if generation is not None:
                reason = f"this version needs generation {GENERATION}"
                raise _other_generation(former, generation, reason)
        raise NoWarehouse(
            f"there is no warehouse at {self.path} yet; load some hours first "
            "(`charging-assets load`)"
        )

    def _connect(
        self,
        *,
        read_only: bool,
        row_group: int = WAREHOUSE_ROW_GROUP_SIZE,
        path: Path | None = None,
    ) -> duckdb.DuckDBPyConnection:
        path = path or self.path
        deadline, wait = time.monotonic() + self._lock_timeout_s, _FIRST_WAIT_S
        while True:
            try:
                return connect_duckdb(path, read_only=read_only, row_group=row_group)
            except duckdb.Error as error:
                if is_newer_format(error):
                    raise WarehouseError(
                        f"{path} was written by a newer DuckDB than {duckdb.__version__}, which "
                        "cannot read it; install a newer duckdb, or move the file away and load "
                        "again from the archive (`charging-assets load`)"
                    ) from error
                if not is_locked(error):
                    raise WarehouseError(f"cannot open {path}: {error}") from error
                if time.monotonic() + wait > deadline:
                    raise WarehouseError(self._lock_message(path, error)) from error
            time.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_S)

    def _lock_message(self, path: Path | None, error: duckdb.Error) -> str:
        return (
            f"{path} has been locked by {lock_holder(error)} for {self._lock_timeout_s:.0f} s; "
            "close the program that has it open (a DuckDB shell, a notebook?) and try again"
        )


class _Reader:
    """One read-only connection to a warehouse, opened by the first query."""

    def __init__(self, warehouse: DuckDBWarehouse) -> None:
        self._warehouse = warehouse
        self._stack = ExitStack()
        self._connection: duckdb.DuckDBPyConnection | None = None

    def query(self, sql: str, params: Params | None = None) -> pa.Table:
        self._warehouse.require()  # before a statement is transpiled for nothing
        return self.select(*bind_params(sql, params or {}))

    def query_batches(self, sql: str, params: Params | None = None) -> Iterator[pa.Table]:
        yield self.query(sql, params)

    def select(self, statement: str, values: Mapping[str, Any] | Sequence[Any] = ()) -> pa.Table:
        """Rows of one SELECT in DuckDB's dialect."""
        self._warehouse.require()
        with raise_interrupts():
            return self._select(statement, values)

    def _select(self, statement: str, values: Mapping[str, Any] | Sequence[Any]) -> pa.Table:
        if self._connection is None:
            self._connection = self._stack.enter_context(self._warehouse._reading())
        try:
            require_select(self._connection, statement)
            with interruptible(self._connection.interrupt):
                return self._connection.sql(statement, params=values or None).to_arrow_table()
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            if not self._warehouse._is_migrated:
                # Tables and columns were added since the file was last written.
                self.close()
                self._warehouse.execute()
                return self._select(statement, values)
            raise self._query_refused(error) from error
        except (duckdb.ProgrammingError, duckdb.DataError, duckdb.PermissionException) as error:
            raise self._query_refused(error) from error

    def _query_refused(self, error: duckdb.Error) -> QueryRefused:
        return QueryRefused(f"{self._warehouse.describe()} cannot run the query: {error}")

    def close(self) -> None:
        self._connection = None
        self._stack.close()


def _former_generation(former: Path) -> int | None:
    """The generation of a file with a former name; None if it is not this project's warehouse.

    A file that cannot be opened is left alone, without waiting: it does no harm, and may be open in
    another program that owns it.
    """
    try:
        with closing(connect_duckdb(former, read_only=True)) as connection:
            return generation_of(DuckDBSession(connection))
    except duckdb.Error as error:
        _log.warning(
            "%s cannot be opened and stays where it is: %s. If it is a warehouse of an earlier "
            "version, delete it when you do not need it",
            former, error,
        )  # fmt: skip
        return None


def _file_id(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file at a path, which a replacement changes; None if missing."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _other_generation(path: Path | None, generation: int, reason: str) -> OtherGeneration:
    return OtherGeneration(
        f"{path} is a warehouse of generation {generation} ({reason}); `charging-assets load` "
        "moves it aside and loads every archived hour again"
    )


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, params: Params) -> pa.Table:
    statement, values = bind_params(sql, params)
    return connection.sql(statement, params=values).to_arrow_table()


def with_lock_timeout(warehouse: Warehouse, lock_timeout_s: float) -> Warehouse:
    """The same warehouse, with another limit of seconds to wait for a locked file."""
    if isinstance(warehouse, DuckDBWarehouse) and warehouse.path is not None:
        return DuckDBWarehouse(warehouse.path, lock_timeout_s=lock_timeout_s)
    return warehouse


def _row_group(plans: Sequence[Plan]) -> int:
    """The row group size: rows from outside (staging) stay for days, other rows permanently."""
    loads_rows = all(
        any(isinstance(step, ReplaceFromArrow) for step in plan.steps) for plan in plans
    )
    return STAGING_ROW_GROUP_SIZE if loads_rows else WAREHOUSE_ROW_GROUP_SIZE


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.execute("ROLLBACK")
    except duckdb.Error:
        # The engine has already ended the transaction; the first error is raised.
        return

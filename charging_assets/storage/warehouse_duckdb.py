"""DuckDB as the warehouse: the embedded default.

Belongs here: connections, the file's lock, types that only DuckDB has. Does not belong here: what
is loaded, or SQL of its own.

One process at a time may have the file open for writing, and none may read meanwhile. So every
connection is opened late and closed at once, and who finds the file locked waits and tries again:
neither a reader nor a load makes the other fail.

A file of an older generation is moved aside by whatever writes first, and by no reader.
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
from charging_assets.schemas.table import Table
from charging_assets.storage.cancellation import interruptible
from charging_assets.storage.course import new_load_id, read_rows, run, with_shown
from charging_assets.storage.dialect import bound
from charging_assets.storage.duckdb_connection import (
    LASTING_ROW_GROUP,
    PASSING_ROW_GROUP,
    holder,
    is_locked,
    is_newer_format,
    opened,
    raise_interrupts,
    require_select,
)
from charging_assets.storage.duckdb_session import DuckDBSession
from charging_assets.storage.folders import make_private
from charging_assets.storage.frames import make_or_fit, plain, replace_in_transaction
from charging_assets.storage.generation import (
    FILE_NAME,
    FORMER_FILE_NAMES,
    GENERATION,
    Mismatch,
    generation_of,
    mismatch,
)
from charging_assets.storage.migrate import is_current, migrate, schema_digest
from charging_assets.storage.old_warehouses import rename_old_file
from charging_assets.storage.plan import (
    Loaded,
    LoadError,
    LoadRows,
    Params,
    Plan,
    PlanChanged,
    Scope,
)
from charging_assets.storage.warehouse import (
    NoWarehouse,
    OtherGeneration,
    QueryRefused,
    Warehouse,
    WarehouseError,
)

_log = logging.getLogger(__name__)
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.02, 0.5


class DuckDBWarehouse:
    """A `Warehouse` in a DuckDB file, or in memory where `path` is None (gone with the object)."""

    def __init__(self, path: Path | None, *, patience_s: float = 60.0) -> None:
        self.path = path
        self._patience_s = patience_s
        self._mutex = threading.RLock()
        self._memory = opened(None) if path is None else None
        self._is_migrated = False
        # The file (device, inode) whose generation was compared: another may take its place.
        self._compared: tuple[int, int] | None = None

    def apply(self, plan: Plan) -> Loaded:
        return self.apply_all([plan])[0]

    def apply_all(self, plans: Sequence[Plan]) -> list[Loaded]:
        with raise_interrupts(), self._mutex, self._writing(_row_group(plans)) as connection:
            return [self._apply(connection, plan) for plan in plans]

    def _apply(self, connection: duckdb.DuckDBPyConnection, plan: Plan) -> Loaded:
        while True:
            try:
                return self._apply_once(connection, plan)
            except PlanChanged as changed:
                plan = changed.make_plan()

    def _apply_once(self, connection: duckdb.DuckDBPyConnection, plan: Plan) -> Loaded:
        rows = read_rows(plan)
        try:
            with self._transaction(connection) as session:
                done = run(session, plan, rows, new_load_id())
        except duckdb.Error as error:  # COMMIT's too: on a full disk it is what fails
            raise LoadError(
                f"loading {plan.asset} for {plan.hour} failed, nothing was changed: {error}"
            ) from error
        # While the file is open: opening it costs more than what is shown.
        return with_shown(done, plan, lambda sql, params: _rows(connection, sql, params))

    def query(self, sql: str, params: Params | None = None) -> pa.Table:
        with self.reading() as reader:
            return reader.query(sql, params)

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
                    replace_in_transaction(session, table, scope, make_or_fit(session, table, rows))
            except duckdb.Error as error:
                shown = f"{plain(table.schema)}.{plain(table.name)}"
                raise LoadError(f"storing {shown} failed, nothing was changed: {error}") from error

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
    def _writing(self, row_group: int = LASTING_ROW_GROUP) -> Iterator[duckdb.DuckDBPyConnection]:
        if self._memory is not None:
            yield self._memory
            return
        assert self.path is not None
        make_private(self.path.parent)
        # People move a warehouse away to have it made again, while this program runs.
        if not self.path.exists():
            self._compared, self._is_migrated = None, False
        connection = self._connected_to_current(row_group)
        try:
            yield connection
        finally:
            connection.close()

    def _connected_to_current(self, row_group: int) -> duckdb.DuckDBPyConnection:
        """A connection for writing; files of older generations are moved aside before."""
        assert self.path is not None
        if not self.path.exists():
            for former in self._former_files():
                self._move_former_aside(former)
        is_seen_twice = False
        while True:
            connection = self._connected(read_only=False, row_group=row_group)
            try:
                other = self._compare(connection)
                if other is None:
                    return connection
                # Not at first sight: another process may have moved the file after it was opened
                # here, and what is at the path by now is its new one.
                if is_seen_twice:
                    self._rename_old_file(self.path, connection, other.generation, other.reason)
            except BaseException:
                connection.close()
                raise
            connection.close()
            is_seen_twice = True

    def _compare(self, connection: duckdb.DuckDBPyConnection) -> Mismatch | None:
        """Why the file's tables cannot be kept. Looks once at each file, and at its schema too."""
        assert self.path is not None
        file = _identity(self.path)
        if file is not None and file == self._compared:
            return None
        session = DuckDBSession(connection)
        other = mismatch(session)
        if other is None:
            try:
                self._is_migrated = is_current(session, schema_digest("duckdb"))
            except duckdb.CatalogException:
                self._is_migrated = False
            self._compared = file
        return other

    def _former_files(self) -> list[Path]:
        """Files of the names that the warehouse has had before; whose they are is not looked at."""
        if self.path is None or self.path.name != FILE_NAME:
            return []
        former = (self.path.with_name(name) for name in FORMER_FILE_NAMES)
        return [path for path in former if path.exists()]

    def _move_former_aside(self, former: Path) -> None:
        if _former_generation(former) is None or not former.exists():
            return
        connection = self._connected(read_only=False, path=former)
        try:
            generation = generation_of(DuckDBSession(connection))
            if generation is not None:  # else another process has put another file there meanwhile
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
            "%s is of generation %s (%s): moved aside to %s. Every archived hour is loaded again; "
            "nothing reads the file any more, delete it when you do not need it",
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
            connection = self._connected(read_only=True)
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

    def _connected(
        self, *, read_only: bool, row_group: int = LASTING_ROW_GROUP, path: Path | None = None
    ) -> duckdb.DuckDBPyConnection:
        path = path or self.path
        deadline, wait = time.monotonic() + self._patience_s, _FIRST_WAIT_S
        while True:
            try:
                return opened(path, read_only=read_only, row_group=row_group)
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
                    raise WarehouseError(self._locked(path, error)) from error
            time.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_S)

    def _locked(self, path: Path | None, error: duckdb.Error) -> str:
        return (
            f"{path} has been locked by {holder(error)} for {self._patience_s:.0f} s; "
            "close the program that has it open (a DuckDB shell, a notebook?) and try again"
        )


class _Reader:
    """One read-only connection to a warehouse, from the first question until it is closed."""

    def __init__(self, warehouse: DuckDBWarehouse) -> None:
        self._warehouse = warehouse
        self._held = ExitStack()
        self._connection: duckdb.DuckDBPyConnection | None = None

    def query(self, sql: str, params: Params | None = None) -> pa.Table:
        self._warehouse.require()  # before a statement is rendered, and kept, for nothing
        return self.select(*bound(sql, params or {}, "duckdb"))

    def select(self, statement: str, values: Mapping[str, Any] | Sequence[Any] = ()) -> pa.Table:
        """Rows of one SELECT in DuckDB's dialect."""
        self._warehouse.require()
        with raise_interrupts():
            return self._select(statement, values)

    def _select(self, statement: str, values: Mapping[str, Any] | Sequence[Any]) -> pa.Table:
        if self._connection is None:
            self._connection = self._held.enter_context(self._warehouse._reading())
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
            raise self._refused(error) from error
        except (duckdb.ProgrammingError, duckdb.DataError, duckdb.PermissionException) as error:
            raise self._refused(error) from error

    def _refused(self, error: duckdb.Error) -> QueryRefused:
        return QueryRefused(f"{self._warehouse.describe()} cannot run the query: {error}")

    def close(self) -> None:
        self._connection = None
        self._held.close()


def _former_generation(former: Path) -> int | None:
    """The generation of a file of a former name; None where it is no warehouse of this project.

    A file that cannot be opened now is left as well, without waiting: it is in nobody's way, and
    may be anybody's, open in another program.
    """
    try:
        with closing(opened(former, read_only=True)) as connection:
            return generation_of(DuckDBSession(connection))
    except duckdb.Error as error:
        _log.warning(
            "%s is left where it is, for it cannot be opened: %s. If it is a warehouse of an "
            "earlier version, delete it when you do not need it",
            former, error,
        )  # fmt: skip
        return None


def _identity(path: Path) -> tuple[int, int] | None:
    """The file at a path, whatever is moved there later; None where there is none."""
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
    statement, values = bound(sql, params, "duckdb")
    return connection.sql(statement, params=values).to_arrow_table()


def impatient(warehouse: Warehouse, patience_s: float) -> Warehouse:
    """The same warehouse, for a reader that does not wait long for a locked file."""
    if isinstance(warehouse, DuckDBWarehouse) and warehouse.path is not None:
        return DuckDBWarehouse(warehouse.path, patience_s=patience_s)
    return warehouse


def _row_group(plans: Sequence[Plan]) -> int:
    """How large to make row groups: what comes from outside stays for days, the rest for good."""
    comes = all(any(isinstance(step, LoadRows) for step in plan.steps) for plan in plans)
    return PASSING_ROW_GROUP if comes else LASTING_ROW_GROUP


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.execute("ROLLBACK")
    except duckdb.Error:
        # The engine had already ended the transaction; what counts is the first error.
        return

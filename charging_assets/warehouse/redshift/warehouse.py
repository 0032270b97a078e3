"""Redshift as the warehouse: COPY into temp tables, then one short transaction.

A load stages its rows as Parquet outside any transaction and copies them into temp tables of its
session. Its transaction begins with LOCK on `ops.load_lock`, a table that only loads use: a load
that waits for it reads the ledger after the previous load has committed, and readers are never
blocked. If the connection breaks, the whole load is retried. If the commit succeeded after all, the
load's id is in the ledger, which is read under the same lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa

from charging_assets.lake.store import Lake
from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.flat import FLAT_REJECTS
from charging_assets.schemas.table import Table
from charging_assets.warehouse.cancellation import hold
from charging_assets.warehouse.executor import (
    execute_plan,
    find_committed_load,
    find_unchanged_load,
    new_load_id,
    read_rows,
)
from charging_assets.warehouse.interface import WarehouseError
from charging_assets.warehouse.migrations import is_current, migrate, schema_digest, widenings
from charging_assets.warehouse.plan import (
    LoadError,
    LoadResult,
    Params,
    Plan,
    PlanChanged,
    ReplaceFromArrow,
    Scope,
)
from charging_assets.warehouse.redshift.connection import RedshiftResource, connection_error
from charging_assets.warehouse.redshift.copy import StagedRows, remove, stage, validate_role
from charging_assets.warehouse.redshift.errors import TRANSIENT, ErrorKind, explain
from charging_assets.warehouse.redshift.frames import RedshiftFrames
from charging_assets.warehouse.redshift.grants import reader_grants
from charging_assets.warehouse.redshift.reader import RedshiftReader, connect, require_generation
from charging_assets.warehouse.redshift.retries import MAX_ATTEMPTS, retry
from charging_assets.warehouse.redshift.session import CREATE_LOCK, LazyConnection, RedshiftSession
from charging_assets.warehouse.redshift.sql import pick_params
from charging_assets.warehouse.redshift.unload import (
    UNLOADS,
    list_files,
    read_files,
    remove_files,
    unload_statement,
)

Result = TypeVar("Result")

# At most so many rows of a result pass through the leader node: about a second.
MAX_CURSOR_ROWS = 20_000


@dataclass(frozen=True)
class Rights:
    """The rights of a database user.

    `may_create`: may create schemas in the database, as the first load does. `reads_ops`: may read
    `ops.ledger`; None while the table does not exist.
    """

    user: str
    may_create: bool
    reads_ops: bool | None


class RedshiftWarehouse:
    """A `Warehouse` in Redshift. Loads are staged in `lake`, which the cluster's role can read."""

    def __init__(
        self, redshift: RedshiftResource, lake: Lake, iam_role: str, *, reader_group: str = ""
    ) -> None:
        self._redshift = redshift
        self._lake = lake
        self._iam_role = validate_role(iam_role)
        self._grants = reader_grants(reader_group)
        self._frames = RedshiftFrames(
            redshift, lake, iam_role, grants=lambda schema: reader_grants(reader_group, [schema])
        )
        self._is_migrated = False
        self._loading, self._reading = threading.RLock(), threading.RLock()
        self._reader = self.new_reader()

    def apply(self, plan: Plan) -> LoadResult:
        return self.apply_all([plan])[0]

    def apply_all(self, plans: Sequence[Plan]) -> list[LoadResult]:
        with self._loading, LazyConnection(self._connect) as link:
            return [self._apply(link, plan) for plan in plans]

    def _apply(self, link: LazyConnection, plan: Plan) -> LoadResult:
        while True:
            try:
                return self._apply_once(link, plan)
            except PlanChanged as changed:
                plan = changed.make_plan()

    def _apply_once(self, link: LazyConnection, plan: Plan) -> LoadResult:
        rows, load_id = read_rows(plan), new_load_id()
        what = f"loading {plan.asset} for {plan.hour}"
        brings_rows = any(isinstance(step, ReplaceFromArrow) for step in plan.steps)
        if brings_rows and (
            unchanged := self._retry(link, what, lambda s: find_unchanged_load(s, plan))
        ):
            return unchanged
        staged: list[StagedRows] = []
        try:
            for step in plan.steps:
                if isinstance(step, ReplaceFromArrow):
                    table_rows = rows[step.table.full_name]
                    staged.append(stage(self._lake, load_id, step.table, table_rows))
            return self._retry(link, what, lambda s: self._attempt(s, plan, rows, staged, load_id))
        finally:
            for each in staged:
                remove(self._lake, each)

    def _attempt(
        self,
        session: RedshiftSession,
        plan: Plan,
        rows: Mapping[str, pa.Table],
        staged: Sequence[StagedRows],
        load_id: str,
    ) -> LoadResult:
        """One attempt of a load, in a session without temp tables of another load."""
        for each in staged:
            session.copy_staged(each, self._iam_role)
        with session.transaction():
            result = find_committed_load(session, plan, load_id) or execute_plan(
                session, plan, rows, load_id
            )
        session.drop_temps()
        return result

    def replace_rows(self, table: Table, scope: Scope, rows: pa.Table) -> None:
        self._frames.replace_rows(table, scope, rows)

    def execute(self, *statements: tuple[str, Params]) -> None:
        """Run statements in one transaction; they run again if the commit's response is lost."""

        def operation(session: RedshiftSession) -> None:
            with session.transaction():
                for sql, params in statements:
                    session.execute(sql, params)

        with self._loading, LazyConnection(self._connect) as link:
            self._retry(link, "changing the warehouse", operation)

    def query(self, sql: str, params: Params | None = None) -> pa.Table:
        values = pick_params(sql, params or {})
        with hold(self._reading):
            return self._reader.select(sql, values or {})

    def query_batches(self, sql: str, params: Params | None = None) -> Iterator[pa.Table]:
        """Rows of a SELECT in order: a few by the cursor, many by UNLOAD.

        The cursor's rows pass through the leader node, one by one, and are complete in memory.
        """
        few = self.query(f"{sql} LIMIT {MAX_CURSOR_ROWS + 1}", params)
        if few.num_rows <= MAX_CURSOR_ROWS:
            yield few
            return
        schema = few.schema
        del few
        prefixes: list[str] = []

        def unload(session: RedshiftSession) -> int:
            # A prefix of its own: an attempt that failed may have left files.
            prefixes.append(f"{UNLOADS}{new_load_id()}/")
            uri = self._lake.uri(f"{prefixes[-1]}part-")
            session.execute(unload_statement(sql, params or {}, uri, self._iam_role), {})
            ((row_count,),) = session.fetch("SELECT pg_last_unload_count()", {})
            return int(row_count)

        def make_error(kind: ErrorKind, error: Exception) -> Exception:
            if kind is ErrorKind.LOST:
                return connection_error(self._redshift, error)
            return WarehouseError(f"{self.describe()} cannot UNLOAD: {explain(error)}")

        try:
            with LazyConnection(self._connect) as link:
                expected = retry(
                    "unloading",
                    lambda: unload(RedshiftSession(link)),
                    after_error=link.close,
                    make_error=make_error,
                )
            row_count = 0
            for rows in read_files(self._lake, list_files(self._lake, prefixes[-1])):
                row_count += rows.num_rows
                yield rows.cast(schema)  # as from the cursor: Parquet has other types
            if row_count != expected:
                raise WarehouseError(
                    f"UNLOAD wrote {expected} rows, but its files have {row_count} rows "
                    f"({self._lake.uri(prefixes[-1] + 'part-')}); try again"
                )
        finally:
            for prefix in prefixes:
                remove_files(self._lake, prefix)

    def reading(self) -> AbstractContextManager[RedshiftWarehouse]:
        return nullcontext(self)  # the reader's connection stays open in any case

    def new_reader(self) -> RedshiftReader:
        """A reader with a connection of its own, for one thread at a time."""
        return RedshiftReader(self._redshift, self._grants)

    def rights(self) -> Rights:
        """The rights of the connected database user. Raises WarehouseError as `query` does."""
        (user,) = self.query(
            "SELECT current_user AS name, has_database_privilege(current_user, "
            "current_database(), 'CREATE') AS may_create"
        ).to_pylist()
        # has_schema_privilege fails for a schema that does not exist.
        schemas = self.query("SELECT nspname FROM pg_namespace WHERE nspname = 'ops'")
        if not schemas.num_rows:
            return Rights(user["name"], user["may_create"], reads_ops=None)
        (schema,) = self.query(
            "SELECT has_schema_privilege(current_user, 'ops', 'USAGE') AS may_use"
        ).to_pylist()
        return Rights(user["name"], user["may_create"], schema["may_use"] and self._reads_ledger())

    def _reads_ledger(self) -> bool | None:
        tables = self.query(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'ops' AND tablename = 'ledger'"
        )
        if not tables.num_rows:
            return None
        (ledger,) = self.query(
            "SELECT has_table_privilege(current_user, 'ops.ledger', 'SELECT') AS may_select"
        ).to_pylist()
        return bool(ledger["may_select"])

    def maintain(self) -> list[str]:
        """Reclaim the space of the tables that lose whole days of rows.

        Redshift vacuums, sorts and analyzes by itself where it is idle. A full VACUUM of large
        tables each night would be most of what the warehouse costs.
        """
        with self._loading, LazyConnection(self._connect_without_timeout) as link:
            return [
                self._maintain_table(link, f"VACUUM DELETE ONLY {table.full_name}")
                for table in TABLES
                if table.schema == "staging" or table is FLAT_REJECTS
            ]

    def _maintain_table(self, link: LazyConnection, statement: str) -> str:
        """Run VACUUM; report a failure: a cluster runs one VACUUM at a time, of the owner only."""
        try:
            self._retry(link, statement, lambda session: session.execute(statement, {}))
        except LoadError as error:
            return f"{statement}: not done: {error}"
        return f"{statement}: done"

    def describe(self) -> str:
        return self._redshift.describe()

    def close(self) -> None:
        """Close the reader's connection; the next query opens another."""
        with self._reading:
            self._reader.close()

    def _retry(
        self, link: LazyConnection, what: str, operation: Callable[[RedshiftSession], Result]
    ) -> Result:
        return retry(
            what,
            lambda: operation(self._session(link)),
            # After an error a session may be broken or have temp tables: the next attempt needs a
            # new one.
            after_error=link.close,
            make_error=lambda kind, error: self._load_error(what, kind, error),
        )

    def _load_error(self, what: str, kind: ErrorKind, error: Exception) -> Exception:
        if kind is ErrorKind.LOST:
            return WarehouseError(
                f"{what}: {connection_error(self._redshift, error)}. If the connection broke in "
                "COMMIT, the load may have succeeded; load the hour again, which repeats nothing"
            )
        attempts = f" {MAX_ATTEMPTS} times" if kind in TRANSIENT else ""
        return LoadError(f"{what} failed{attempts}, nothing was changed: {explain(error)}")

    def _session(self, link: LazyConnection) -> RedshiftSession:
        """A session in a database that has the schema."""
        session = RedshiftSession(link)
        if not self._is_migrated:
            self._migrate(session)
            self._is_migrated = True
        return session

    def _migrate(self, session: RedshiftSession) -> None:
        with suppress(Exception):  # no digest: nothing was ever created here
            if is_current(session, schema_digest(session.dialect, self._grants)):
                return
        require_generation(self._redshift, session)
        for statement in (*CREATE_LOCK, *widenings(session)):
            session.execute(statement, {})
        with session.transaction():
            migrate(session, self._grants)

    def _connect(self) -> Any:
        return connect(self._redshift)

    def _connect_without_timeout(self) -> Any:
        return connect(self._redshift, has_timeout=False)

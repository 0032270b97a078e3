"""Redshift as the warehouse: COPY into temp tables, then one short transaction.

Belongs here: the order of a load. Does not belong here: signing in (`redshift_connection`),
reading (`redshift_reader`), statements of a session (`redshift_session`), staged objects
(`redshift_copy`), which errors pass (`redshift_errors`, `redshift_tries`).

A load stages its rows as Parquet outside any transaction and copies them into temp tables of its
session. Its transaction begins with LOCK on a table of its own, `ops.load_lock`: whoever waits for
it reads the ledger after the one before has committed, and no reader is ever locked out. If the
connection breaks, the load is tried again as a whole; should the commit have happened after all,
its id stands in the ledger, which is read behind the same lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa

from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.table import Table
from charging_assets.storage.cancellation import hold
from charging_assets.storage.course import (
    already_loaded,
    committed_before,
    new_load_id,
    read_rows,
    run,
    with_shown,
)
from charging_assets.storage.lake import Lake
from charging_assets.storage.migrate import is_current, migrate, schema_digest, widenings
from charging_assets.storage.plan import (
    Loaded,
    LoadError,
    LoadRows,
    Params,
    Plan,
    PlanChanged,
    Scope,
)
from charging_assets.storage.redshift_connection import RedshiftResource, cannot_connect
from charging_assets.storage.redshift_copy import StagedRows, checked_role, remove, stage
from charging_assets.storage.redshift_errors import PASSES, Kind, explain
from charging_assets.storage.redshift_frames import RedshiftFrames
from charging_assets.storage.redshift_grants import reader_grants
from charging_assets.storage.redshift_reader import RedshiftReader, connect, require_generation
from charging_assets.storage.redshift_session import CREATE_LOCK, Link, RedshiftSession
from charging_assets.storage.redshift_sql import bound
from charging_assets.storage.redshift_tries import TRIES, tried
from charging_assets.storage.warehouse import WarehouseError

Result = TypeVar("Result")


@dataclass(frozen=True)
class Rights:
    """What a database user may do.

    `may_create`: create schemas in the database, as the first load does. `reads_ops`: read
    `ops.ledger`; None while there is no such table.
    """

    user: str
    may_create: bool
    reads_ops: bool | None


class RedshiftWarehouse:
    """A `Warehouse` in Redshift. Loads are staged in `lake`, where the cluster's role reads."""

    def __init__(
        self, redshift: RedshiftResource, lake: Lake, iam_role: str, *, reader_group: str = ""
    ) -> None:
        self._redshift = redshift
        self._lake = lake
        self._iam_role = checked_role(iam_role)
        self._grants = reader_grants(reader_group)
        self._frames = RedshiftFrames(
            redshift, lake, iam_role, grants=lambda schema: reader_grants(reader_group, [schema])
        )
        self._is_migrated = False
        self._loading, self._reading = threading.RLock(), threading.RLock()
        self._reader = self.new_reader()

    def apply(self, plan: Plan) -> Loaded:
        return self.apply_all([plan])[0]

    def apply_all(self, plans: Sequence[Plan]) -> list[Loaded]:
        with self._loading, Link(self._connect) as link:
            return [with_shown(self._apply(link, plan), plan, self.query) for plan in plans]

    def _apply(self, link: Link, plan: Plan) -> Loaded:
        while True:
            try:
                return self._apply_once(link, plan)
            except PlanChanged as changed:
                plan = changed.make_plan()

    def _apply_once(self, link: Link, plan: Plan) -> Loaded:
        rows, load_id = read_rows(plan), new_load_id()
        what = f"loading {plan.asset} for {plan.hour}"
        brings_rows = any(isinstance(step, LoadRows) for step in plan.steps)
        if brings_rows and (known := self._tried(link, what, lambda s: already_loaded(s, plan))):
            return known
        staged: list[StagedRows] = []
        try:
            for step in plan.steps:
                if isinstance(step, LoadRows):
                    found = rows[step.table.full_name]
                    staged.append(stage(self._lake, load_id, step.table, found))
            return self._tried(link, what, lambda s: self._once(s, plan, rows, staged, load_id))
        finally:
            for each in staged:
                remove(self._lake, each)

    def _once(
        self,
        session: RedshiftSession,
        plan: Plan,
        rows: Mapping[str, pa.Table],
        staged: Sequence[StagedRows],
        load_id: str,
    ) -> Loaded:
        """One try of a load, in a session without any temp table of another."""
        for each in staged:
            session.take_in(each, self._iam_role)
        with session.transaction():
            done = committed_before(session, plan, load_id) or run(session, plan, rows, load_id)
        session.drop_temps()
        return done

    def replace_rows(self, table: Table, scope: Scope, rows: pa.Table) -> None:
        self._frames.replace_rows(table, scope, rows)

    def execute(self, *statements: tuple[str, Params]) -> None:
        """Run statements in one transaction; they are run again if a commit's reply is lost."""

        def once(session: RedshiftSession) -> None:
            with session.transaction():
                for sql, params in statements:
                    session.execute(sql, params)

        with self._loading, Link(self._connect) as link:
            self._tried(link, "changing the warehouse", once)

    def query(self, sql: str, params: Params | None = None) -> pa.Table:
        values = bound(sql, params or {})
        with hold(self._reading):
            return self._reader.select(sql, values or {})

    def reading(self) -> AbstractContextManager[RedshiftWarehouse]:
        return nullcontext(self)  # its reader's connection stays open in any case

    def new_reader(self) -> RedshiftReader:
        """A reader with a connection of its own, for one thread at a time."""
        return RedshiftReader(self._redshift, self._grants)

    def rights(self) -> Rights:
        """What the database user that signs in may do. Raises WarehouseError as `query` does."""
        (user,) = self.query(
            "SELECT current_user AS name, has_database_privilege(current_user, "
            "current_database(), 'CREATE') AS may_create"
        ).to_pylist()
        # Asked of a schema that is not there, has_schema_privilege is an error.
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
        with self._loading, Link(self._connect) as link:
            return [
                self._maintained(link, f"{verb} {table.full_name}")
                for table in TABLES
                for verb in ("VACUUM", "ANALYZE")
            ]

    def _maintained(self, link: Link, statement: str) -> str:
        """VACUUM is one at a time in a cluster, and the owner's: what cannot be done is told."""
        try:
            self._tried(link, statement, lambda session: session.execute(statement, {}))
        except LoadError as error:
            return f"{statement}: not done: {error}"
        return f"{statement}: done"

    def describe(self) -> str:
        return self._redshift.describe()

    def close(self) -> None:
        """Let go of the connection that reads; the next query makes another."""
        with self._reading:
            self._reader.close()

    def _tried(self, link: Link, what: str, once: Callable[[RedshiftSession], Result]) -> Result:
        return tried(
            what,
            lambda: once(self._session(link)),
            # A session after an error may be broken or hold temp tables; the next try has its own.
            after_error=link.cut,
            failed=lambda kind, error: self._cannot_load(what, kind, error),
        )

    def _cannot_load(self, what: str, kind: Kind, error: Exception) -> Exception:
        if kind is Kind.LOST:
            return WarehouseError(
                f"{what}: {cannot_connect(self._redshift, error)}. If the connection broke in "
                "COMMIT, the load may have been done; load the hour again, which repeats nothing"
            )
        tries = f" {TRIES} times" if kind in PASSES else ""
        return LoadError(f"{what} failed{tries}, nothing was changed: {explain(error)}")

    def _session(self, link: Link) -> RedshiftSession:
        """A session in a database that has the schema."""
        session = RedshiftSession(link)
        if not self._is_migrated:
            self._migrate(session)
            self._is_migrated = True
        return session

    def _migrate(self, session: RedshiftSession) -> None:
        with suppress(Exception):  # no mark: nothing was ever made here
            if is_current(session, schema_digest(session.dialect, self._grants)):
                return
        require_generation(self._redshift, session)
        for statement in (*CREATE_LOCK, *widenings(session)):
            session.execute(statement, {})
        with session.transaction():
            migrate(session, self._grants)

    def _connect(self) -> Any:
        return connect(self._redshift)

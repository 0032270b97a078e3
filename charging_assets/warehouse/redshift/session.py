"""Sessions of Redshift: connections, transactions, temp tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pyarrow as pa

from charging_assets.schemas.table import Table
from charging_assets.warehouse.plan import CreateTempTable, LoadError, Params
from charging_assets.warehouse.redshift.copy import (
    StagedRows,
    copy_statement,
    create_incoming,
    incoming_name,
)
from charging_assets.warehouse.redshift.sql import inline_params, pick_params

LOCK_TABLE = "ops.load_lock"
CREATE_LOCK = (
    "CREATE SCHEMA IF NOT EXISTS ops",
    f"CREATE TABLE IF NOT EXISTS {LOCK_TABLE} (holder VARCHAR(64))",
)


class LazyConnection:
    """A connection that is opened on first use, and opened again after `close`."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._connection: Any = None

    def __enter__(self) -> LazyConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def connection(self) -> Any:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def close(self) -> None:
        """Close the connection in any state; its temp tables are gone with it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()


class RedshiftSession:
    """A session with at most one open transaction."""

    def __init__(self, link: LazyConnection) -> None:
        self._link = link
        self._connection = link.connection
        self._temps: list[str] = []

    @property
    def dialect(self) -> str:
        return "redshift"

    def execute(self, sql: str, params: Params) -> None:
        self.cursor(sql, params)

    def execute_insert(self, sql: str, params: Params) -> int:
        return int(self.cursor(sql, params).rowcount)

    def fetch(self, sql: str, params: Params) -> Sequence[tuple[Any, ...]]:
        # The driver returns rows as lists, which do not compare equal to tuples.
        return [tuple(row) for row in self.cursor(sql, params).fetchall()]

    def insert_arrow(self, table: Table, rows: pa.Table) -> int:
        """Insert the rows of `copy_staged` by name: the order of columns may differ."""
        names = ", ".join(table.names)
        return self.execute_insert(
            f"INSERT INTO {table.full_name} ({names}) SELECT {names} FROM {incoming_name(table)}",
            {},
        )

    def create_temp_table(self, temp: CreateTempTable) -> None:
        self.execute(
            f"CREATE TEMP TABLE {temp.name} AS {inline_params(temp.select, temp.params)}", {}
        )
        self._temps.append(temp.name)

    def copy_staged(self, staged: StagedRows, iam_role: str) -> None:
        """COPY staged rows into their temp table, outside any transaction, and count them."""
        self.execute(create_incoming(staged), {})
        self._temps.append(staged.incoming)
        if not staged.row_count:
            return
        self.execute(copy_statement(staged, iam_role), {})
        ((copied,),) = self.fetch(f"SELECT COUNT(*) FROM {staged.incoming}", {})
        if copied != staged.row_count:
            raise LoadError(
                f"COPY loaded {copied} rows for {staged.table.full_name}, but "
                f"{staged.row_count} were staged at {staged.manifest_uri}; nothing was changed"
            )

    @contextmanager
    def transaction(self, lock: str = LOCK_TABLE) -> Iterator[None]:
        """A transaction that first takes the lock of loads; rolled back on an error."""
        self.execute("BEGIN", {})
        try:
            self.execute(f"LOCK {lock}", {})
            yield
            self.execute("COMMIT", {})
        except BaseException:
            # On a broken connection the server rolls back by itself; raise the first error.
            with suppress(Exception):
                self.execute("ROLLBACK", {})
            raise

    def drop_temps(self) -> None:
        """After a commit, drop the temp tables of this load, so that the next load has none.

        Not inside the transaction and not with IF EXISTS: without the temp table, the name could be
        a user's table. If a drop fails, the connection is closed, which also drops them.
        """
        try:
            for name in self._temps:
                self.execute(f"DROP TABLE {name}", {})
        except Exception:  # the load is committed: an error of its session does not matter
            self._link.close()
        self._temps.clear()

    def cursor(self, sql: str, params: Params) -> Any:
        """The driver's cursor after a statement."""
        cursor = self._connection.cursor()
        cursor.paramstyle = "named"
        cursor.execute(sql, pick_params(sql, params))
        return cursor

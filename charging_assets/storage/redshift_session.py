"""A session of Redshift: connections, transactions, temp tables.

Belongs here: the shared course of a load (`warehouse.run`) as Redshift's statements. Does not
belong here: tries, or what is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pyarrow as pa

from charging_assets.schemas.table import Table
from charging_assets.storage.plan import LoadError, Params, Temp
from charging_assets.storage.redshift_copy import (
    StagedRows,
    copy_statement,
    create_incoming,
    incoming_name,
)
from charging_assets.storage.redshift_sql import bound, inlined

LOCK_TABLE = "ops.load_lock"
CREATE_LOCK = (
    "CREATE SCHEMA IF NOT EXISTS ops",
    f"CREATE TABLE IF NOT EXISTS {LOCK_TABLE} (holder VARCHAR(64))",
)


class Link:
    """A connection that is made when it is first needed, and made again after it was cut."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._connection: Any = None

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    @property
    def connection(self) -> Any:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def cut(self) -> None:
        """Close the connection, and with it all temp tables, in whatever state it is."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()


class RedshiftSession:
    """A session, with at most one transaction open; statements go in the order they are given."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._connection = link.connection
        self._temps: list[str] = []

    @property
    def dialect(self) -> str:
        return "redshift"

    def execute(self, sql: str, params: Params) -> None:
        self.cursor(sql, params)

    def add(self, sql: str, params: Params) -> int:
        return int(self.cursor(sql, params).rowcount)

    def fetch(self, sql: str, params: Params) -> Sequence[tuple[Any, ...]]:
        # The driver's rows are lists, which equal no tuple.
        return [tuple(row) for row in self.cursor(sql, params).fetchall()]

    def insert(self, table: Table, rows: pa.Table) -> int:
        """Add the rows that `take_in` copied: by name, for the order of columns may differ."""
        names = ", ".join(table.names)
        return self.add(
            f"INSERT INTO {table.full_name} ({names}) SELECT {names} FROM {incoming_name(table)}",
            {},
        )

    def keep(self, temp: Temp) -> None:
        self.execute(f"CREATE TEMP TABLE {temp.name} AS {inlined(temp.select, temp.params)}", {})
        self._temps.append(temp.name)

    def take_in(self, staged: StagedRows, iam_role: str) -> None:
        """COPY staged rows into their temp table, outside any transaction, and count them."""
        self.execute(create_incoming(staged), {})
        self._temps.append(staged.incoming)
        if not staged.row_count:
            return
        self.execute(copy_statement(staged, iam_role), {})
        ((copied,),) = self.fetch(f"SELECT COUNT(*) FROM {staged.incoming}", {})
        if copied != staged.row_count:
            raise LoadError(
                f"COPY took in {copied} rows for {staged.table.full_name} where "
                f"{staged.row_count} were staged at {staged.manifest_uri}; nothing was changed"
            )

    @contextmanager
    def transaction(self, lock: str = LOCK_TABLE) -> Iterator[None]:
        """A transaction whose first statement takes the lock of loads; rolled back on an error."""
        self.execute("BEGIN", {})
        try:
            self.execute(f"LOCK {lock}", {})
            yield
            self.execute("COMMIT", {})
        except BaseException:
            # On a broken connection the server does so by itself; what counts is the first error.
            with suppress(Exception):
                self.execute("ROLLBACK", {})
            raise

    def drop_temps(self) -> None:
        """After a commit, drop the temp tables of this load, so that the next finds none.

        Not inside the transaction, nor IF EXISTS: a name without its temp table could be somebody's
        table. A session that does not let go of them is given up, and they with it.
        """
        try:
            for name in self._temps:
                self.execute(f"DROP TABLE {name}", {})
        except Exception:  # the load is done: what is left of its session is of no interest
            self._link.cut()
        self._temps.clear()

    def cursor(self, sql: str, params: Params) -> Any:
        """The driver's cursor after a statement."""
        cursor = self._connection.cursor()
        cursor.paramstyle = "named"
        cursor.execute(sql, bound(sql, params))
        return cursor

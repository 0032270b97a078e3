"""A transaction of DuckDB: what a load's course asks of it.

Belongs here: statements, incoming rows, temp tables. Does not belong here: connections and commits
(`warehouse_duckdb`), or what is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from charging_assets.schemas.table import Table
from charging_assets.storage.dialect import bound
from charging_assets.storage.duckdb_connection import PASSING_ROW_GROUP
from charging_assets.storage.plan import Params, Temp


class DuckDBSession:
    """An open DuckDB transaction."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def execute(self, sql: str, params: Params) -> None:
        statement, values = bound(sql, params, "duckdb")
        self._connection.execute(statement, values)

    def fetch(self, sql: str, params: Params) -> Sequence[tuple[Any, ...]]:
        statement, values = bound(sql, params, "duckdb")
        return self._connection.execute(statement, values).fetchall()

    def add(self, sql: str, params: Params) -> int:
        ((added,),) = self.fetch(sql, params)
        return int(added)

    def insert(self, table: Table, rows: pa.Table) -> int:
        names = ", ".join(table.names)
        self._connection.register("incoming_rows", _by_row_group(rows))
        try:
            return self.add(
                f"INSERT INTO {table.full_name} ({names}) SELECT {names} FROM incoming_rows", {}
            )
        finally:
            self._connection.unregister("incoming_rows")

    def keep(self, temp: Temp) -> None:
        self.execute(f"DROP TABLE IF EXISTS {temp.name}", {})
        self.execute(f"CREATE TEMPORARY TABLE {temp.name} AS {temp.select}", temp.params)

    @property
    def dialect(self) -> str:
        return "duckdb"


def _by_row_group(rows: pa.Table) -> pa.Table:
    """The rows in chunks that fill row groups: others cost time and room, as they are merged."""
    if rows.num_rows <= PASSING_ROW_GROUP:
        return rows
    batches = rows.combine_chunks().to_batches(max_chunksize=PASSING_ROW_GROUP)
    return pa.Table.from_batches(batches, rows.schema)

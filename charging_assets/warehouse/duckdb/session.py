"""An open transaction of DuckDB, in which plans are executed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from charging_assets.schemas.table import Table
from charging_assets.warehouse.duckdb.connection import STAGING_ROW_GROUP_SIZE
from charging_assets.warehouse.plan import CreateTempTable, Params
from charging_assets.warehouse.transpile import bind_params


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

"""Query the flat files of one hour with SQL, without a warehouse.

An in-memory DuckDB shows the files under the names of the tables they are loaded into.
"""

from __future__ import annotations

import re
from typing import Any

import duckdb
import pyarrow as pa

from charging_assets.hours import Hour
from charging_assets.lake.flat_files import StaleFlatFile, open_hour
from charging_assets.lake.store import Lake
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.warehouse.duckdb.connection import raise_interrupts
from charging_assets.warehouse.plan import Params
from charging_assets.warehouse.transpile import bind_params

_FLAT_TABLE_NAME = re.compile(r"\b(?:staging|ops)\.(flat_\w+)")
_BY_NAME = {table.name: table for table in FLAT_TABLES}


class FlatQueries:
    """The flat tables of an hour; a file is read when a statement first names its table."""

    def __init__(self, lake: Lake, hour: Hour) -> None:
        self._lake, self._hour = lake, hour
        self._engine: duckdb.DuckDBPyConnection | None = None
        self._tables: dict[str, Any] = {}

    def query(self, select: str, params: Params) -> pa.Table:
        """Rows of a SELECT in the Redshift dialect, of the feeds whose files can be used.

        Raises:
            StaleFlatFile: no file of a table can be used.
        """
        engine = self._open_engine()
        for name in dict.fromkeys(_FLAT_TABLE_NAME.findall(select)):
            if name not in self._tables:
                self._read(engine, name)
        statement, values = bind_params(select, params)
        with raise_interrupts():
            return engine.sql(statement, params=values).to_arrow_table()

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()

    def _open_engine(self) -> duckdb.DuckDBPyConnection:
        if self._engine is None:
            self._engine = duckdb.connect(
                ":memory:", config={"autoinstall_known_extensions": "false"}
            )
            self._engine.execute("SET TimeZone = 'UTC'")
            for schema in sorted({table.schema for table in FLAT_TABLES}):
                self._engine.execute(f"CREATE SCHEMA {schema}")
        return self._engine

    def _read(self, engine: duckdb.DuckDBPyConnection, name: str) -> None:
        table = _BY_NAME[name]
        hour_files = open_hour(self._lake, table, self._hour)
        if not hour_files.files:
            raise StaleFlatFile(next(iter(hour_files.errors.values())))
        rows = self._tables[name] = pa.concat_tables([file.read() for file in hour_files.files])
        engine.register(f"{name}_rows", rows)
        engine.execute(f"CREATE VIEW {table.full_name} AS SELECT * FROM {name}_rows")

"""SQL over the flat files of one hour, without a warehouse.

Belongs here: an engine in memory that sees the hour's files as the tables that they are loaded
into. Does not belong here: what is asked of them.
"""

from __future__ import annotations

import re
from typing import Any

import duckdb
import pyarrow as pa

from charging_assets.partitions import Hour
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.storage.dialect import bound
from charging_assets.storage.duckdb_connection import raise_interrupts
from charging_assets.storage.flat_files import open_flat
from charging_assets.storage.lake import Lake
from charging_assets.storage.plan import Params

_NAMED = re.compile(r"\b(?:staging|ops)\.(flat_\w+)")
_BY_NAME = {table.name: table for table in FLAT_TABLES}


class FlatQueries:
    """The flat tables of an hour; a file is read when a statement first names its table."""

    def __init__(self, lake: Lake, hour: Hour) -> None:
        self._lake, self._hour = lake, hour
        self._engine: duckdb.DuckDBPyConnection | None = None
        self._known: dict[str, Any] = {}

    def query(self, select: str, params: Params) -> pa.Table:
        """Rows of a SELECT in the Redshift dialect; StaleFlatFile if a file is not there."""
        engine = self._opened()
        for name in dict.fromkeys(_NAMED.findall(select)):
            if name not in self._known:
                self._read(engine, name)
        statement, values = bound(select, params, "duckdb")
        with raise_interrupts():
            return engine.sql(statement, params=values).to_arrow_table()

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()

    def _opened(self) -> duckdb.DuckDBPyConnection:
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
        rows = self._known[name] = open_flat(self._lake, table, self._hour).read()
        engine.register(f"{name}_rows", rows)
        engine.execute(f"CREATE VIEW {table.full_name} AS SELECT * FROM {name}_rows")

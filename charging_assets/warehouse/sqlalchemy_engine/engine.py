"""Read-only SQLAlchemy engines over a warehouse, by duckdb-engine and sqlalchemy-redshift.

The dialects come from these libraries; the connection below them is the warehouse's own way of
reading. It runs one SELECT at a time, fetches all its rows, and holds nothing in between: no lock
on DuckDB's file and no transaction in Redshift, however long a connection stays open. So no reader
makes a load fail, and nothing but a SELECT is run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import registry

from charging_assets.warehouse import transpile
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.interface import QueryRefused, Warehouse, WarehouseError
from charging_assets.warehouse.plan import Params
from charging_assets.warehouse.redshift import sql as redshift_sql

Select = Callable[[str, Mapping[str, Any] | Sequence[Any]], pa.Table]

# SQLAlchemy's names for the errors of a driver, by the names of ours.
_ERRORS = {"QueryRefused": "ProgrammingError", "NoWarehouse": "OperationalError"}


# By the names that only `engine_of` uses; a dialect's module is imported with its first engine.
registry.register("charging_duckdb", f"{__package__}.duckdb_dialect", "DuckDBDialect")
registry.register("charging_redshift", f"{__package__}.redshift_dialect", "RedshiftDialect")


def engine_of(warehouse: Warehouse) -> sa.Engine:
    """A read-only engine; nothing is opened before its first statement.

    Statements are in the dialect of the engine itself, DuckDB or Redshift. A result is in memory as
    a whole, with `stream_results` too. What cannot be run raises `sqlalchemy.exc.DBAPIError`, whose
    `orig` is the warehouse's error. Redshift's connections are pooled.
    """
    if isinstance(warehouse, DuckDBWarehouse):

        def connect() -> Connection:
            warehouse.require()
            return Connection(warehouse.select)

        engine = sa.create_engine(
            "charging_duckdb://",
            creator=connect,
            module=_driver("numeric_dollar"),
            poolclass=sa.NullPool,
        )
    else:
        from charging_assets.warehouse.redshift.warehouse import RedshiftWarehouse

        assert isinstance(warehouse, RedshiftWarehouse)
        redshift = warehouse

        def connect() -> Connection:
            reader = redshift.new_reader()
            return Connection(reader.select, reader.close)

        engine = sa.create_engine("charging_redshift://", creator=connect, module=_driver("format"))
    engine.dialect.dbapi_exception_translation_map = _ERRORS
    return engine


def execute(connection: sa.Connection, sql: str, params: Params) -> sa.CursorResult[Any]:
    """The result of a SELECT in Redshift's dialect with `:name` parameters, on either engine."""
    if connection.dialect.name == "duckdb":
        return connection.exec_driver_sql(*transpile.bind_params(sql, params))
    return connection.exec_driver_sql(sql, redshift_sql.pick_params(sql, params))


@contextmanager
def warehouse_errors() -> Iterator[None]:
    """Raise the warehouse's own errors in place of SQLAlchemy's, which wrap them."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        if isinstance(error.orig, WarehouseError):
            raise error.orig from error.orig.__cause__
        raise


class Connection:
    """A connection as SQLAlchemy expects one of a driver (PEP 249)."""

    closed = False
    notices: tuple[str, ...] = ()

    def __init__(self, select: Select, close: Callable[[], None] = lambda: None) -> None:
        self._select, self._close = select, close
        # The dialect of Redshift registers a type of SQLAlchemy here; see Cursor.execute.
        self.py_types: dict[type, Any] = {str: None}

    def cursor(self) -> Cursor:
        return Cursor(self, self._select)

    def begin(self) -> None:
        """No statement depends on another: there is no transaction."""

    def commit(self) -> None:
        """See `begin`."""

    def rollback(self) -> None:
        """See `begin`."""

    def close(self) -> None:
        self.closed = True
        self._close()


class Cursor:
    """The rows of one statement (PEP 249), and as an Arrow table in `table`."""

    arraysize = 1000

    def __init__(self, connection: Connection, select: Select) -> None:
        self.connection, self._select = connection, select
        self._rows: Iterator[tuple[Any, ...]] = iter(())
        self.table: pa.Table | None = None

    @property
    def description(self) -> list[tuple[Any, ...]] | None:
        if self.table is None:
            return None
        return [(f.name, str(f.type), None, None, None, None, None) for f in self.table.schema]

    @property
    def rowcount(self) -> int:
        return -1 if self.table is None else int(self.table.num_rows)

    def execute(
        self, statement: str, values: Mapping[str, Any] | Sequence[Any] | None = None
    ) -> Cursor:
        plain: Any = (
            {name: _plain(value) for name, value in values.items()}
            if isinstance(values, Mapping)
            else [_plain(value) for value in values or ()]
        )
        self.table = self._select(statement, plain)
        self._rows = zip(*(_values(column) for column in self.table.columns), strict=True)
        return self

    def executemany(self, statement: str, _values: Any = None) -> None:
        raise QueryRefused("this engine only reads: executemany is for statements that write")

    def fetchone(self) -> tuple[Any, ...] | None:
        return next(self._rows, None)

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        limit = self.arraysize if size is None else size
        return list(islice(self._rows, limit))

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self._rows)

    def close(self) -> None:
        self._rows = iter(())


def _plain(value: Any) -> Any:
    """A value as drivers know it: SQLAlchemy's names are a subclass of str."""
    return str(value) if isinstance(value, str) else value


def _values(column: pa.ChunkedArray) -> list[Any]:
    """Python values; sums of integers, which DuckDB makes 128 bits wide, are integers."""
    values: list[Any] = column.to_pylist()
    if pa.types.is_decimal(column.type) and column.type.scale == 0:
        return [int(value) if isinstance(value, Decimal) else value for value in values]
    return values


def _driver(paramstyle: str) -> Any:
    """The attributes of a driver's module that SQLAlchemy needs (PEP 249)."""
    return SimpleNamespace(
        apilevel="2.0", threadsafety=1, paramstyle=paramstyle, Error=WarehouseError
    )

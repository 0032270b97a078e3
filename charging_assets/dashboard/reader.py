"""Data access for pages: run the named queries of `sql/dashboard`.

A local deployment is read from its published files through an in-memory DuckDB, since every load
locks the warehouse file. Other warehouses allow reads during writes and are queried directly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any, Protocol

import duckdb
import sqlalchemy as sa

from charging_assets.deployments import Storage
from charging_assets.lake.store import LakeError
from charging_assets.publication.publish import PUBLISHED
from charging_assets.publication.published_files import PublishedFiles
from charging_assets.schemas.table import Table
from charging_assets.warehouse.cancellation import interruptible
from charging_assets.warehouse.duckdb.connection import restrict_reading
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.interface import NoWarehouse, Warehouse, WarehouseError
from charging_assets.warehouse.sql_files import sql
from charging_assets.warehouse.sqlalchemy_engine.engine import engine_of, execute, warehouse_errors

Row = dict[str, Any]
Query = Callable[..., list[Row]]
_ALL_TIME = (datetime(2000, 1, 1), datetime(2200, 1, 1))


class DataUnavailable(Exception):
    """The data cannot be read at the moment; the message states the reason."""


class Reader(Protocol):
    """A source of data for pages."""

    def session(
        self, start: datetime = ..., end: datetime = ...
    ) -> Any:  # AbstractContextManager[Query]
        """A function that runs named queries, as in `query("dashboard/feeds", feed="test")`.

        Rows outside of `[start, end)`, naive UTC, may be missing.
        """

    def describe(self) -> str:
        """The location of the data, without secrets."""


def make_reader(storage: Storage) -> Reader:
    """The reader for a deployment's storage."""
    warehouse = storage.warehouse
    if isinstance(warehouse, DuckDBWarehouse) and warehouse.path is not None:
        return PublishedReader(PublishedFiles(storage.lake), storage.lake.uri("published"))
    return WarehouseReader(warehouse)


class PublishedReader:
    """Reads published files through SQLAlchemy and an in-memory DuckDB."""

    def __init__(self, files: PublishedFiles, place: str) -> None:
        self._files, self._place = files, place
        self._engine = sa.create_engine("duckdb:///:memory:", poolclass=sa.NullPool)

    @contextmanager
    def session(
        self, start: datetime = _ALL_TIME[0], end: datetime = _ALL_TIME[1]
    ) -> Iterator[Query]:
        try:
            with self._engine.connect() as connection:
                engine: Any = connection.connection.driver_connection
                # Parameters of queries come from URLs, which are untrusted.
                restrict_reading(engine, self._files.folder)
                attached: set[Table] = set()

                def query(name: str, **params: Any) -> list[Row]:
                    with interruptible(engine.interrupt):
                        for table in _tables(name) - attached:
                            self._files.attach(engine, table, start, end)
                            attached.add(table)
                        return _rows(connection, name, params)

                yield query
        # Files are attached without SQLAlchemy, which would wrap DuckDB's errors.
        except (sa.exc.SQLAlchemyError, duckdb.Error, LakeError, OSError) as error:
            raise DataUnavailable(f"{self._place}: {error}") from error

    def describe(self) -> str:
        return self._place


class WarehouseReader:
    """Over a warehouse that can be read while it is written, through its SQLAlchemy engine."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._engine = engine_of(warehouse)

    @contextmanager
    def session(
        self, start: datetime = _ALL_TIME[0], end: datetime = _ALL_TIME[1]
    ) -> Iterator[Query]:
        try:
            with warehouse_errors(), self._engine.connect() as connection:
                yield lambda name, **params: _rows(connection, name, params)
        except NoWarehouse:
            raise
        except (WarehouseError, OSError) as error:
            raise DataUnavailable(f"{self.describe()}: {error}") from error

    def describe(self) -> str:
        return self._warehouse.describe()


@cache
def _tables(name: str) -> frozenset[Table]:
    """The published tables that a query reads."""
    named = set(re.findall(r"\b\w+\.\w+\b", sql(name)))
    return frozenset(table for table in PUBLISHED if table.full_name in named)


def _rows(connection: sa.Connection, name: str, params: Mapping[str, Any]) -> list[Row]:
    return [dict(row) for row in execute(connection, sql(name), params).mappings()]

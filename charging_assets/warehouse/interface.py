"""The interface of a warehouse for its users, and of an engine's transaction for a plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import pyarrow as pa

from charging_assets.schemas.table import Table
from charging_assets.warehouse.plan import CreateTempTable, LoadResult, Params, Plan, Scope


class WarehouseError(Exception):
    """The warehouse cannot be reached or opened; the message names the remedy."""


class NoWarehouse(WarehouseError):
    """Nothing was ever loaded: the warehouse, or the queried tables, do not exist yet."""


class OtherGeneration(NoWarehouse):
    """The warehouse is of an older generation; the next load renames it and starts empty."""


class QueryRefused(WarehouseError):
    """The warehouse cannot run a query: unknown names, or types that do not match."""


class Reader(Protocol):
    """Reads rows of a warehouse."""

    def query(self, sql: str, params: Params | None = None) -> pa.Table:
        """Rows of a SELECT; parameters are bound by name."""

    def query_batches(self, sql: str, params: Params | None = None) -> Iterator[pa.Table]:
        """Rows of a SELECT without LIMIT, in order and in parts: for results that may be large.

        Consume all: an incomplete result is an error at the end.
        """


class Warehouse(Reader, Protocol):
    """A database with the schemas of `schemas.catalog`. SQL is given in the Redshift dialect."""

    def apply(self, plan: Plan) -> LoadResult:
        """Execute a plan in one transaction; LoadError if it fails and is rolled back."""

    def apply_all(self, plans: Sequence[Plan]) -> list[LoadResult]:
        """Execute plans one after the other, each as in `apply`; stop at the first error."""

    def reading(self) -> AbstractContextManager[Reader]:
        """A reader for several queries over one connection, opened with the first query.

        DuckDB's loads wait while it is open: close it soon.
        """

    def replace_rows(self, table: Table, scope: Scope, rows: pa.Table) -> None:
        """Replace a scope's rows of a table that is no table of the catalog; it is made if absent.

        In one transaction: all of it, or LoadError and none of it.
        """

    def execute(self, *statements: tuple[str, Params]) -> None:
        """Run statements in one transaction."""

    def maintain(self) -> list[str]:
        """Free space and renew the planner's statistics; return a report, one line per table."""

    def describe(self) -> str:
        """The location of the warehouse, without secrets."""


class Session(Protocol):
    """One open transaction of an engine."""

    def execute(self, sql: str, params: Params) -> None: ...

    def fetch(self, sql: str, params: Params) -> Sequence[tuple[Any, ...]]: ...

    def execute_insert(self, sql: str, params: Params) -> int:
        """Run an INSERT; return its row count, -1 if the engine does not report it."""

    def insert_arrow(self, table: Table, rows: pa.Table) -> int:
        """Insert rows with the table's columns; return their count, -1 if it is not reported."""

    def create_temp_table(self, temp: CreateTempTable) -> None:
        """Create a temp table from a SELECT, replacing one with the same name."""

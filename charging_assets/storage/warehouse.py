"""The warehouse: the one way in which tables are changed, and the one in which they are read.

Belongs here: what a warehouse is to those who use it, and what an engine is to a load. Does not
belong here: a load's course (`course`), connections, or what is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import pyarrow as pa

from charging_assets.schemas.table import Table
from charging_assets.storage.plan import Loaded, Params, Plan, Scope, Temp


class WarehouseError(Exception):
    """The warehouse cannot be reached or opened; the message says what to do."""


class NoWarehouse(WarehouseError):
    """Nothing was ever loaded: there is no warehouse yet, or not the tables asked for."""


class OtherGeneration(NoWarehouse):
    """The warehouse is of an older generation; a load moves it aside and begins with none."""


class QueryRefused(WarehouseError):
    """The warehouse cannot run a query: a name it does not have, or types that do not fit."""


class Reader(Protocol):
    """Who can be asked for rows."""

    def query(self, sql: str, params: Params | None = None) -> pa.Table:
        """Rows of a SELECT; parameters are bound by name."""


class Warehouse(Reader, Protocol):
    """A database with the schemas of `schemas.catalog`. SQL is given in the Redshift dialect."""

    def apply(self, plan: Plan) -> Loaded:
        """Run a load in one transaction: all of it, or LoadError and none of it."""

    def apply_all(self, plans: Sequence[Plan]) -> list[Loaded]:
        """Run loads one after the other, each as `apply` does; the first error ends them."""

    def reading(self) -> AbstractContextManager[Reader]:
        """For several questions in a row: one connection, opened with the first of them.

        Whoever holds it keeps DuckDB's loads waiting, so ask and let go.
        """

    def replace_rows(self, table: Table, scope: Scope, rows: pa.Table) -> None:
        """Replace a scope's rows of a table that is no table of the catalog; it is made if absent.

        In one transaction: all of it, or LoadError and none of it.
        """

    def execute(self, *statements: tuple[str, Params]) -> None:
        """Run statements in one transaction of their own."""

    def maintain(self) -> list[str]:
        """Give back space and renew the planner's statistics; what was done, a line a table."""

    def describe(self) -> str:
        """Where the warehouse is, without secrets."""


class Session(Protocol):
    """One open transaction of an engine."""

    def execute(self, sql: str, params: Params) -> None: ...

    def fetch(self, sql: str, params: Params) -> Sequence[tuple[Any, ...]]: ...

    def add(self, sql: str, params: Params) -> int:
        """Run an INSERT; how many rows it added, -1 where the engine does not say."""

    def insert(self, table: Table, rows: pa.Table) -> int:
        """Add rows that have the table's columns; how many were added, -1 where it is not said."""

    def keep(self, temp: Temp) -> None:
        """Make a temp table of a SELECT, in place of one of that name."""

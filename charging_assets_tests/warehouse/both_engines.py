"""Run the same loads and queries on DuckDB and Redshift, and compare the rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

import sqlglot

from charging_assets.schemas.catalog import TABLES
from charging_assets.warehouse.interface import Warehouse
from charging_assets.warehouse.plan import (
    BindParams,
    CreateTempTable,
    Guard,
    Params,
    Plan,
    ReplaceFromArrow,
    ReplaceFromSelect,
)
from charging_assets.warehouse.redshift.sql import inline_params
from charging_assets_tests.modelling.hours import OF_THE_RUN

# Either engine adds doubles up in an order of its own. A sum of n of one sign is off by at most
# n * 1.1e-16 of itself: for the hundred thousand rows of an hour that is 1e-11.
TOLERANCE = 1e-11

Row = tuple[Any, ...]
Rows = Iterable[Mapping[str, Any]]


@dataclass
class Engines:
    """DuckDB and Redshift, changed alike. `counts` are rows by statement, the most there were."""

    duckdb: Warehouse
    redshift: Warehouse
    counts: dict[str, int] = field(default_factory=dict)
    differences: dict[str, str] = field(default_factory=dict)

    @property
    def both(self) -> tuple[Warehouse, Warehouse]:
        return self.duckdb, self.redshift

    def apply(self, plans: Sequence[Plan]) -> None:
        """Load both."""
        for warehouse in self.both:
            warehouse.apply_all(plans)

    def execute(self, *statements: tuple[str, Params]) -> None:
        """Change both."""
        for warehouse in self.both:
            warehouse.execute(*statements)

    def query_both(self, select: str, params: Params, name: str = "") -> list[dict[str, Any]]:
        """DuckDB's rows of a SELECT; what differs is kept in `differences`.

        Rows are compared as a bag, or in order where the statement orders them.
        """
        ours, theirs = (warehouse.query(select, params) for warehouse in self.both)
        differences = difference(ours.to_pylist(), theirs.to_pylist(), in_order=_is_ordered(select))
        if ours.column_names != theirs.column_names:
            differences = f"columns {ours.column_names} and {theirs.column_names}"
        if differences:
            self.differences.setdefault(name or select, differences)
        self.counts[select] = max(self.counts.get(select, 0), ours.num_rows)
        rows: list[dict[str, Any]] = ours.to_pylist()
        return rows

    def tables(self) -> None:
        """Compare all that is loaded, without what differs from run to run."""
        for table in TABLES:
            names = ", ".join(name for name in table.names if name not in OF_THE_RUN)
            self.query_both(f"SELECT {names} FROM {table.full_name}", {}, table.full_name)

    def step_by_step(self, plan: Plan) -> None:
        """Do what a load does, and compare the rows of each statement on the way.

        Temp tables are ordinary ones here: connections are not kept from statement to statement.
        No ledger row is written.
        """
        bindings: dict[str, Any] = {}
        with self._temps() as temps:
            for step in plan.steps:
                self._step(plan, step, bindings, temps)

    def _step(self, plan: Plan, step: Any, bindings: dict[str, Any], temps: list[str]) -> None:
        assert not isinstance(step, ReplaceFromArrow)
        params = {**bindings, **step.params}
        if isinstance(step, ReplaceFromSelect):
            scope = {**bindings, **step.scope.params}
            where = f"FROM {step.table.full_name} WHERE {step.scope.predicate}"
            self.query_both(f"SELECT {', '.join(step.table.key)} {where}", scope)
            self.execute((f"DELETE {where}", scope))
        label = getattr(step, "name", None) or "bound"
        rows = self.query_both(step.select, params, f"{plan.asset} for {plan.hour}: {label}")
        if isinstance(step, BindParams):
            bindings.update({name: rows[0][name] for name in step.names})
        elif isinstance(step, CreateTempTable):
            self.execute((f"CREATE TABLE {step.name} AS {inline_params(step.select, params)}", {}))
            temps.append(step.name)
        elif isinstance(step, ReplaceFromSelect):
            names = ", ".join(step.table.names)
            insert = f"INSERT INTO {step.table.full_name} ({names}) SELECT {names}"
            self.execute((f"{insert} FROM ({step.select}) AS new_rows", params))
        else:
            assert isinstance(step, Guard) and rows == []

    @contextmanager
    def _temps(self) -> Iterator[list[str]]:
        made: list[str] = []
        try:
            yield made
        finally:
            for name in made:
                self.execute((f"DROP TABLE {name}", {}))


@cache
def _is_ordered(select: str) -> bool:
    return sqlglot.parse_one(select, read="redshift").args.get("order") is not None


def difference(ours: Rows, theirs: Rows, *, in_order: bool = False) -> str:
    """In what two bags of rows differ, or two lists; empty if they are equal."""
    mine, others = ([_plain(row) for row in rows] for rows in (ours, theirs))
    if not in_order:
        mine, others = sorted(mine, key=_order), sorted(others, key=_order)
    unlike = [
        f"{one} and {other}"
        for one, other in zip(mine, others, strict=False)
        if len(one) != len(other) or not all(map(_same, one, other))
    ]
    if len(mine) != len(others):
        unlike.insert(0, f"{len(mine)} rows and {len(others)}")
    return "; ".join(unlike[:3]) + (f"; {len(unlike)} differ" if unlike else "")


def _plain(row: Mapping[str, Any]) -> Row:
    """A row's values. DuckDB adds integers up to DECIMAL, Redshift to NUMERIC: integers again."""
    return tuple(
        int(value) if isinstance(value, Decimal) and value == int(value) else value
        for value in row.values()
    )


def _order(row: Row) -> tuple[str, str]:
    """By what is exact first, so that rounding of a last digit does not change the order."""
    exact = [value for value in row if not isinstance(value, float)]
    inexact = [f"{value:.9e}" for value in row if isinstance(value, float)]
    return repr(exact), repr(inexact)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=TOLERANCE) or (one != one and other != other)
    return type(one) is type(other) and bool(one == other)

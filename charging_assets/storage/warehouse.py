"""The warehouse: the one way in which tables are changed, and the one in which they are read.

Belongs here: the `Warehouse` interface and the course of a load, which both engines share. Does
not belong here: connections, or what is loaded.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

import pyarrow as pa

from charging_assets.partitions import Hour, naive
from charging_assets.schemas.render import arrow_schema
from charging_assets.schemas.table import Table
from charging_assets.storage import ledger
from charging_assets.storage.plan import (
    Bind,
    Guard,
    GuardFailed,
    Input,
    Loaded,
    LoadRows,
    NotStaged,
    Params,
    Plan,
    Replace,
    Scope,
    Temp,
    check_columns,
)


class WarehouseError(Exception):
    """The warehouse cannot be reached or opened; the message says what to do."""


class NoWarehouse(WarehouseError):
    """Nothing was ever loaded: there is no warehouse yet, or not the tables asked for."""


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

    def insert(self, table: Table, rows: pa.Table) -> None:
        """Add rows that have the table's columns."""

    def keep(self, temp: Temp) -> None:
        """Make a temp table of a SELECT, in place of one of that name."""


# How many ledger rows of a span are written by one statement.
_LEDGER_ROWS = 100

_Run = LoadRows | Replace | Temp | Guard


def read_rows(plan: Plan) -> dict[str, pa.Table]:
    """The outside rows of a plan, read and checked before any transaction is open."""
    rows = {}
    for step in plan.steps:
        if isinstance(step, LoadRows):
            rows[step.table.full_name] = step.read()
            check_columns(step.table, rows[step.table.full_name], arrow_schema(step.table))
    return rows


def new_load_id() -> str:
    """An id for one load, in however many tries; it stands in the ledger once one is committed."""
    return uuid.uuid4().hex


def already_loaded(session: Session, plan: Plan) -> Loaded | None:
    """The load of before, if this one would change nothing and may be skipped."""
    if not plan.skip_if_same:
        return None
    known = _same(session, plan, _inputs(session, plan))
    return None if known is None else Loaded(known, skipped=True)


def committed_before(session: Session, plan: Plan, load_id: str) -> Loaded | None:
    """What an earlier try of this load came to, if its commit has happened after all."""
    held = _ledger_row(session, plan.asset, plan)
    if held is None or held[5] != load_id:
        return None
    return Loaded(json.loads(held[3]), dimension_rows=_dimension_rows(session, plan))


def with_shown(done: Loaded, plan: Plan, query: Callable[[str, Params], pa.Table]) -> Loaded:
    """A load that is committed, with what it is to show: for want of that no load fails."""
    if plan.shows is None:
        return done
    try:
        return replace(done, shown=query(*plan.shows))
    except Exception as error:
        return replace(done, shown=str(error))


def run(session: Session, plan: Plan, rows: Mapping[str, pa.Table], load_id: str) -> Loaded:
    """A plan's course inside an open transaction; the caller commits, or rolls back on an error."""
    made_from = _inputs(session, plan)
    if plan.skip_if_same and (known := _same(session, plan, made_from)) is not None:
        return Loaded(known, skipped=True)
    counts: dict[str, int] = {}
    bound: dict[str, Any] = {}
    for step in plan.steps:
        if isinstance(step, Bind):
            bound.update(_bind(session, step, bound))
        else:
            _run_step(session, _knowing(step, bound), rows, counts)
    _write_ledger(session, plan, made_from, counts, load_id)
    return Loaded(counts, dimension_rows=_dimension_rows(session, plan))


def _bind(session: Session, step: Bind, known: Params) -> dict[str, Any]:
    (row,) = session.fetch(step.select, {**known, **step.params})
    return dict(zip(step.names, row, strict=True))


def _knowing(step: _Run, known: Params) -> _Run:
    """The step with the parameters that were bound before it."""
    if not known or isinstance(step, LoadRows):
        return step
    if isinstance(step, Replace):
        scope = replace(step.scope, params={**known, **step.scope.params})
        return replace(step, params={**known, **step.params}, scope=scope)
    return replace(step, params={**known, **step.params})


def _run_step(
    session: Session, step: _Run, rows: Mapping[str, pa.Table], counts: dict[str, int]
) -> None:
    if isinstance(step, Temp):
        session.keep(step)
    elif isinstance(step, Guard):
        _guard(session, step)
    else:
        _delete(session, step.table, step.scope)
        if isinstance(step, LoadRows):
            session.insert(step.table, rows[step.table.full_name])
        else:
            session.execute(_insert(step.table, step.select), step.params)
        _refuse_doubles(session, step.table, step.scope)
        counts[step.table.name] = _count(session, step.table, step.scope)


def _dimension_rows(session: Session, plan: Plan) -> int | None:
    for step in plan.steps:
        if isinstance(step, Replace) and step.table.name == plan.asset:
            whole = step.table.hour_column is None
            return _count(session, step.table, Scope("TRUE")) if whole else None
    return None


def _delete(session: Session, table: Table, scope: Scope) -> None:
    session.execute(f"DELETE FROM {table.full_name} WHERE {scope.predicate}", scope.params)


def _insert(table: Table, select: str) -> str:
    names = ", ".join(table.names)
    return f"INSERT INTO {table.full_name} ({names}) SELECT {names} FROM ({select}) AS new_rows"


def _count(session: Session, table: Table, scope: Scope) -> int:
    found = session.fetch(
        f"SELECT COUNT(*) FROM {table.full_name} WHERE {scope.predicate}", scope.params
    )
    return int(found[0][0])


def _refuse_doubles(session: Session, table: Table, scope: Scope) -> None:
    # A key that says no time is one of each hour: a scope can hold many.
    by_hour = table.hour_column is not None and table.hour_column not in table.key
    hour = [f"DATE_TRUNC('hour', {table.hour_column})"] if by_hour else []
    names = ", ".join([*table.key, *hour])
    doubles = session.fetch(
        f"SELECT {names}, COUNT(*) FROM {table.full_name} WHERE {scope.predicate} "
        f"GROUP BY {names} HAVING COUNT(*) > 1 LIMIT 3",
        scope.params,
    )
    if doubles:
        raise GuardFailed(
            f"{table.full_name} would hold a key ({names}) more than once: {doubles}; "
            "nothing was changed"
        )


def _guard(session: Session, guard: Guard) -> None:
    found = session.fetch(f"{guard.select} LIMIT 5", guard.params)
    if found:
        raise GuardFailed(
            f"{guard.name} does not hold, so nothing was changed: {found}. {guard.remedy}".strip()
        )


def _inputs(session: Session, plan: Plan) -> Mapping[Hour, Input]:
    """What each hour of the load is made from."""
    if plan.inputs is not None:
        return plan.inputs
    if plan.input_digest is not None:
        return {hour: Input(plan.input_digest, plan.archive_digest) for hour in plan.hour.hours}
    found = session.fetch(ledger.READ_SPAN, {"asset": plan.input_from or "", **_span(plan)})
    held = {row[0]: Input(row[2], row[1]) for row in found if row[3]}
    missing = [hour for hour in plan.hour.hours if naive(hour.start) not in held]
    if missing:
        raise NotStaged(
            f"{missing[0]} is not staged; materialize {plan.input_from} for {missing[0]} first"
        )
    return {hour: held[naive(hour.start)] for hour in plan.hour.hours}


def _same(session: Session, plan: Plan, made_from: Mapping[Hour, Input]) -> dict[str, int] | None:
    """The row counts of a load with the same input and code whose rows are all still there."""
    (hour,) = plan.hour.hours
    held = _ledger_row(session, plan.asset, plan)
    wanted = (made_from[hour].digest, plan.code_version)
    if held is None or not held[4] or held[1:3] != wanted:
        return None
    counts: dict[str, int] = json.loads(held[3])
    for step in _of_the_hour(plan):
        if counts.get(step.table.name) != _count(session, step.table, step.scope):
            return None
    return counts


def _of_the_hour(plan: Plan) -> list[LoadRows | Replace]:
    """The steps whose rows are the hour's: only their number stays what it was when loaded."""
    replaced = (step for step in plan.steps if isinstance(step, LoadRows | Replace))
    return [step for step in replaced if step.table.hour_column is not None]


def _ledger_row(session: Session, asset: str, plan: Plan) -> tuple[Any, ...] | None:
    found = session.fetch(ledger.READ, {"asset": asset, "hour_at": _hour_at(plan)})
    return found[0] if found else None


def _write_ledger(
    session: Session,
    plan: Plan,
    made_from: Mapping[Hour, Input],
    counts: Mapping[str, int],
    load_id: str,
) -> None:
    now, hours = naive(datetime.now(UTC)), plan.hour.hours
    if len(hours) == 1:
        own = {step.table.name: counts[step.table.name] for step in _of_the_hour(plan)}
        row = {**_ledger_values(plan, hours[0], made_from[hours[0]], own, now), "load_id": load_id}
        session.execute(ledger.FORGET, {"asset": plan.asset, "hour_at": row["hour_at"]})
        session.execute(ledger.WRITE, row)
        return
    by_hour = _counts_by_hour(session, plan)
    session.execute(ledger.FORGET_SPAN, {"asset": plan.asset, **_span(plan)})
    for at in range(0, len(hours), _LEDGER_ROWS):
        part = hours[at : at + _LEDGER_ROWS]
        values = {
            f"{name}_{number}": value
            for number, hour in enumerate(part)
            for name, value in _ledger_values(
                plan, hour, made_from[hour], by_hour[hour], now
            ).items()
        }
        session.execute(ledger.write_many(len(part)), {**values, "load_id": load_id})


def _ledger_values(
    plan: Plan, hour: Hour, made_from: Input, counts: Mapping[str, int], now: datetime
) -> dict[str, Any]:
    return {
        "asset": plan.asset,
        "hour_at": naive(hour.start),
        "archive_digest": made_from.archive_digest,
        "input_digest": made_from.digest,
        "code_version": plan.code_version,
        "row_count": sum(counts.values()),
        "row_counts": json.dumps(counts, sort_keys=True),
        "loaded_at": now,
    }


def _counts_by_hour(session: Session, plan: Plan) -> dict[Hour, dict[str, int]]:
    """The rows of each hour of a span, in the tables that are partitioned by hour."""
    steps = _of_the_hour(plan)
    counts = {hour: {step.table.name: 0 for step in steps} for hour in plan.hour.hours}
    for step in steps:
        for hour_at, count in session.fetch(
            f"SELECT DATE_TRUNC('hour', {step.table.hour_column}) AS hour_at, COUNT(*) "
            f"FROM {step.table.full_name} WHERE {step.scope.predicate} GROUP BY 1",
            step.scope.params,
        ):
            hour = Hour.of(hour_at.replace(tzinfo=UTC))
            if hour not in counts:
                raise GuardFailed(
                    f"{step.table.full_name} would hold rows of {hour}, which is not among the "
                    f"hours of {plan.hour} that are loaded; nothing was changed"
                )
            counts[hour][step.table.name] = int(count)
    return counts


def _span(plan: Plan) -> dict[str, datetime]:
    return {"start_at": naive(plan.hour.start), "end_at": naive(plan.hour.end)}


def _hour_at(plan: Plan) -> datetime:
    return naive(plan.hour.start)

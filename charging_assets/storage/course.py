"""The course of a load inside one transaction, which both engines share.

Belongs here: a plan's steps, in order, and what is refused. Does not belong here: connections,
commits and tries (each engine's own), what is loaded, or the ledger's rows (`ledger_rows`).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from charging_assets.schemas.render import arrow_schema
from charging_assets.schemas.table import Table
from charging_assets.storage import ledger_rows
from charging_assets.storage.plan import (
    Bind,
    Execute,
    Guard,
    GuardFailed,
    Loaded,
    LoadRows,
    Params,
    Plan,
    PlanChanged,
    Replace,
    Replan,
    Scope,
    Step,
    Temp,
    When,
    check_columns,
)
from charging_assets.storage.warehouse import Session

_Run = LoadRows | Replace | Temp | Guard | Execute | Replan


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
    known = ledger_rows.unchanged(session, plan, ledger_rows.inputs(session, plan))
    return None if known is None else Loaded(known, skipped=True)


def committed_before(session: Session, plan: Plan, load_id: str) -> Loaded | None:
    """What an earlier try of this load came to, if its commit has happened after all."""
    held = ledger_rows.row_of(session, plan)
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
    """A plan's course inside an open transaction; the caller commits, or rolls back on an error.

    Raises:
        PlanChanged: another plan is to be run in place of this one.
    """
    made_from = ledger_rows.inputs(session, plan)
    if plan.skip_if_same and (known := ledger_rows.unchanged(session, plan, made_from)) is not None:
        return Loaded(known, skipped=True)
    counts: dict[str, int] = {}
    bound: dict[str, Any] = {}
    _run_steps(session, plan.steps, rows, counts, bound)
    ledger_rows.write(session, plan, made_from, counts, load_id)
    return Loaded(counts, dimension_rows=_dimension_rows(session, plan))


def _run_steps(
    session: Session,
    steps: Iterable[Step],
    rows: Mapping[str, pa.Table],
    counts: dict[str, int],
    bound: dict[str, Any],
) -> None:
    for step in steps:
        if isinstance(step, Bind):
            bound.update(_bind(session, step, bound))
        elif isinstance(step, When):
            if session.fetch(f"{step.select} LIMIT 1", {**bound, **step.params}):
                _run_steps(session, step.steps, rows, counts, bound)
        else:
            _run_step(session, _knowing(step, bound), rows, counts)


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
    elif isinstance(step, Execute):
        session.execute(step.statement, step.params)
    elif isinstance(step, Replan):
        _replan(session, step)
    else:
        _delete(session, step.table, step.scope)
        if isinstance(step, LoadRows):
            added = session.insert(step.table, rows[step.table.full_name])
        else:
            added = session.add(_insert(step.table, step.select), step.params)
        counts[step.table.name] = _counted(session, step.table, step.scope, added)


def _dimension_rows(session: Session, plan: Plan) -> int | None:
    for step in plan.steps:
        if isinstance(step, Replace) and step.table.name == plan.asset:
            whole = step.table.hour_column is None
            return ledger_rows.row_count(session, step.table, Scope("TRUE")) if whole else None
    return None


def _delete(session: Session, table: Table, scope: Scope) -> None:
    session.execute(f"DELETE FROM {table.full_name} WHERE {scope.predicate}", scope.params)


def _insert(table: Table, select: str) -> str:
    names = ", ".join(table.names)
    return f"INSERT INTO {table.full_name} ({names}) SELECT {names} FROM ({select}) AS new_rows"


def _counted(session: Session, table: Table, scope: Scope, added: int) -> int:
    """How many rows a scope has, which was empty before so many were added.

    GuardFailed if a key stands in it more than once, or if rows were added outside of it: nothing
    would take those away when the scope is loaded again.
    """
    # A key that says no time is one of each hour: a scope can hold many.
    by_hour = table.hour_column is not None and table.hour_column not in table.key
    hour = [f"DATE_TRUNC('hour', {table.hour_column})"] if by_hour else []
    names = ", ".join([*table.key, *hour])
    by_key = f"FROM {table.full_name} WHERE {scope.predicate} GROUP BY {names}"
    ((rows, most),) = session.fetch(
        "SELECT COALESCE(SUM(held), 0), COALESCE(MAX(held), 0) "
        f"FROM (SELECT COUNT(*) AS held {by_key}) AS by_key",
        scope.params,
    )
    if most > 1:
        doubles = session.fetch(
            f"SELECT {names}, COUNT(*) {by_key} HAVING COUNT(*) > 1 LIMIT 3", scope.params
        )
        raise GuardFailed(
            f"{table.full_name} would hold a key ({names}) more than once: {doubles}; "
            "nothing was changed"
        )
    if added not in {rows, -1}:
        raise GuardFailed(
            f"{table.full_name} would get {added - rows} of {added} rows outside what was to be "
            f"replaced ({scope.predicate}); nothing was changed"
        )
    return int(rows)


def _replan(session: Session, step: Replan) -> None:
    found = session.fetch(step.select, step.params)
    if found:
        raise PlanChanged(lambda: step.plan_of(found))


def _guard(session: Session, guard: Guard) -> None:
    found = session.fetch(f"{guard.select} LIMIT 5", guard.params)
    if found:
        raise GuardFailed(
            f"{guard.name} does not hold, so nothing was changed: {found}. {guard.remedy}".strip()
        )

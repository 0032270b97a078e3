"""Execute the steps of a plan inside one transaction, for both engines.

Connections, commits and retries are the engines' own.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from charging_assets.schemas.render import arrow_schema
from charging_assets.schemas.table import Table
from charging_assets.warehouse import ledger
from charging_assets.warehouse.interface import Session
from charging_assets.warehouse.plan import (
    BindParams,
    CreateTempTable,
    Execute,
    FeedHour,
    Guard,
    GuardFailed,
    LoadInput,
    LoadResult,
    Params,
    Plan,
    PlanChanged,
    ReplaceFromArrow,
    ReplaceFromSelect,
    Replan,
    Scope,
    Step,
    When,
    check_columns,
)

_ExecutableStep = ReplaceFromArrow | ReplaceFromSelect | CreateTempTable | Guard | Execute | Replan


def read_rows(plan: Plan) -> dict[str, pa.Table]:
    """Read and check the rows that a plan loads, before any transaction is open."""
    rows = {}
    for step in plan.steps:
        if isinstance(step, ReplaceFromArrow):
            rows[step.table.full_name] = step.read()
            check_columns(step.table, rows[step.table.full_name], arrow_schema(step.table))
    return rows


def new_load_id() -> str:
    """Create the id of a load. All attempts share it; the ledger has it after the commit."""
    return uuid.uuid4().hex


def find_unchanged_load(session: Session, plan: Plan) -> LoadResult | None:
    """Return the previous load if this load would change nothing and may be skipped.

    Raises:
        PlanChanged: some feeds and hours would not change: the plan of the others is run instead.
    """
    return _skip(session, plan, ledger.inputs(session, plan))


def _skip(session: Session, plan: Plan, inputs: Mapping[FeedHour, LoadInput]) -> LoadResult | None:
    if not plan.skip_if_same:
        return None
    same = ledger.find_unchanged(session, plan, inputs)
    if same.is_all:
        return LoadResult(same.total, skipped=True, is_partial=bool(plan.kept))
    changed, narrow = inputs.keys() - same.counts.keys(), plan.narrow
    if narrow is not None and changed and same.counts:
        raise PlanChanged(lambda: narrow(changed))
    return None


def find_committed_load(session: Session, plan: Plan, load_id: str) -> LoadResult | None:
    """Return the result of an earlier attempt of this load whose commit has succeeded."""
    ledger_row = ledger.read_row(session, plan, plan.inputs or {})
    if ledger_row is None or ledger_row[5] != load_id:
        return None
    is_one_row = len(plan.hour.hours) == 1 and len(plan.inputs or "1") == 1
    counts = (
        json.loads(ledger_row[3]) if is_one_row else ledger.counts_of_load(session, plan, load_id)
    )
    return LoadResult(
        counts, is_partial=bool(plan.kept), dimension_rows=_dimension_rows(session, plan)
    )


def execute_plan(
    session: Session, plan: Plan, rows: Mapping[str, pa.Table], load_id: str
) -> LoadResult:
    """Execute a plan in an open transaction; the caller commits, or rolls back on an error.

    Raises:
        PlanChanged: another plan must be executed instead.
        GuardFailed: a guard does not hold, or rows are duplicate or outside of their scope.
    """
    inputs = ledger.inputs(session, plan)
    if (unchanged := _skip(session, plan, inputs)) is not None:
        return unchanged
    counts: dict[str, int] = {}
    bindings: dict[str, Any] = {}
    _run_steps(session, plan.steps, rows, counts, bindings)
    ledger.write(session, plan, inputs, counts, load_id)
    return LoadResult(
        counts, is_partial=bool(plan.kept), dimension_rows=_dimension_rows(session, plan)
    )


def _run_steps(
    session: Session,
    steps: Iterable[Step],
    rows: Mapping[str, pa.Table],
    counts: dict[str, int],
    bindings: dict[str, Any],
) -> None:
    for step in steps:
        if isinstance(step, BindParams):
            bindings.update(_bind(session, step, bindings))
        elif isinstance(step, When):
            if session.fetch(f"{step.select} LIMIT 1", {**bindings, **step.params}):
                _run_steps(session, step.steps, rows, counts, bindings)
        else:
            _run_step(session, _with_bindings(step, bindings), rows, counts)


def _bind(session: Session, step: BindParams, bindings: Params) -> dict[str, Any]:
    (row,) = session.fetch(step.select, {**bindings, **step.params})
    return dict(zip(step.names, row, strict=True))


def _with_bindings(step: _ExecutableStep, bindings: Params) -> _ExecutableStep:
    """The step with the parameters that earlier steps have bound."""
    if not bindings or isinstance(step, ReplaceFromArrow):
        return step
    if isinstance(step, ReplaceFromSelect):
        scope = replace(step.scope, params={**bindings, **step.scope.params})
        return replace(step, params={**bindings, **step.params}, scope=scope)
    return replace(step, params={**bindings, **step.params})


def _run_step(
    session: Session, step: _ExecutableStep, rows: Mapping[str, pa.Table], counts: dict[str, int]
) -> None:
    if isinstance(step, CreateTempTable):
        session.create_temp_table(step)
    elif isinstance(step, Guard):
        _guard(session, step)
    elif isinstance(step, Execute):
        session.execute(step.statement, step.params)
    elif isinstance(step, Replan):
        _replan(session, step)
    else:
        _delete(session, step.table, step.scope)
        if isinstance(step, ReplaceFromArrow):
            added = session.insert_arrow(step.table, rows[step.table.full_name])
        else:
            added = session.execute_insert(_insert(step.table, step.select), step.params)
        counts[step.table.name] = _count_and_check(session, step.table, step.scope, added)


def _dimension_rows(session: Session, plan: Plan) -> int | None:
    for step in plan.steps:
        if isinstance(step, ReplaceFromSelect) and step.table.name == plan.asset:
            whole = step.table.hour_column is None
            return ledger.row_count(session, step.table, Scope("TRUE")) if whole else None
    return None


def _delete(session: Session, table: Table, scope: Scope) -> None:
    session.execute(f"DELETE FROM {table.full_name} WHERE {scope.predicate}", scope.params)


def _insert(table: Table, select: str) -> str:
    names = ", ".join(table.names)
    return f"INSERT INTO {table.full_name} ({names}) SELECT {names} FROM ({select}) AS new_rows"


def _count_and_check(session: Session, table: Table, scope: Scope, added: int) -> int:
    """Count the rows of a scope that was empty before `added` rows were inserted.

    Raises:
        GuardFailed: a key is not unique, or rows were inserted outside of the scope: loading the
            scope again would not replace them.
    """
    # A key without a time is unique per hour, and a scope can have many hours.
    by_hour = table.hour_column is not None and table.hour_column not in table.key
    hour = [f"DATE_TRUNC('hour', {table.hour_column})"] if by_hour else []
    names = ", ".join([*table.key, *hour])
    by_key = f"FROM {table.full_name} WHERE {scope.predicate} GROUP BY {names}"
    ((rows, most),) = session.fetch(
        "SELECT COALESCE(SUM(row_count), 0), COALESCE(MAX(row_count), 0) "
        f"FROM (SELECT COUNT(*) AS row_count {by_key}) AS by_key",
        scope.params,
    )
    if most > 1:
        doubles = session.fetch(
            f"SELECT {names}, COUNT(*) {by_key} HAVING COUNT(*) > 1 LIMIT 3", scope.params
        )
        raise GuardFailed(
            f"{table.full_name}: key ({names}) is not unique: {doubles}; nothing was changed"
        )
    if added not in {rows, -1}:
        raise GuardFailed(
            f"{table.full_name}: {added - rows} of {added} new rows are outside of the scope to "
            f"replace ({scope.predicate}); nothing was changed"
        )
    return int(rows)


def _replan(session: Session, step: Replan) -> None:
    rows = session.fetch(step.select, step.params)
    if rows:
        raise PlanChanged(lambda: step.plan_of(rows))


def _guard(session: Session, guard: Guard) -> None:
    failing_rows = session.fetch(f"{guard.select} LIMIT 5", guard.params)
    if failing_rows:
        raise GuardFailed(
            f"{guard.name} does not hold, so nothing was changed: {failing_rows}. "
            f"{guard.remedy}".strip()
        )

"""A load's rows in the ledger: what it is made from, whether it was made before, what it came to.

Belongs here: reading and writing them inside a load's transaction. Does not belong here: their SQL
(`ledger`), or the load's other steps (`course`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from charging_assets import clock
from charging_assets.partitions import Hour, naive
from charging_assets.schemas.table import Table
from charging_assets.storage import ledger
from charging_assets.storage.plan import (
    GuardFailed,
    Input,
    LoadRows,
    NotStaged,
    Plan,
    Replace,
    Scope,
)
from charging_assets.storage.warehouse import Session

# How many ledger rows of a span are written by one statement.
_ROWS_A_STATEMENT = 100


def inputs(session: Session, plan: Plan) -> Mapping[Hour, Input]:
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


def unchanged(
    session: Session, plan: Plan, made_from: Mapping[Hour, Input]
) -> dict[str, int] | None:
    """The row counts of a load with the same input and code whose rows are all still there."""
    hours = plan.hour.hours
    if len(hours) == 1:
        held = row_of(session, plan)
        wanted = (made_from[hours[0]].digest, plan.code_version)
        if held is None or not held[4] or held[1:3] != wanted:
            return None
        counts: dict[str, int] = json.loads(held[3])
        for step in _of_the_hour(plan):
            if counts.get(step.table.name) != row_count(session, step.table, step.scope):
                return None
        return counts
    return _unchanged_span(session, plan, made_from)


def _unchanged_span(
    session: Session, plan: Plan, made_from: Mapping[Hour, Input]
) -> dict[str, int] | None:
    rows = session.fetch(ledger.READ_SPAN, {"asset": plan.asset, **_span(plan)})
    held = {hour_at: row for hour_at, *row in rows}
    counts: dict[Hour, dict[str, int]] = {}
    for hour in plan.hour.hours:
        _, digest, is_staged, code_version, row_counts = held.get(naive(hour.start)) or [None] * 5
        if not is_staged or (digest, code_version) != (made_from[hour].digest, plan.code_version):
            return None
        counts[hour] = json.loads(row_counts)
    if _counts_by_hour(session, plan) != counts:
        return None
    return {
        name: sum(each[name] for each in counts.values()) for name in counts[plan.hour.hours[0]]
    }


def row_of(session: Session, plan: Plan) -> tuple[Any, ...] | None:
    """The row of a load of one hour, as `ledger.READ` has it."""
    found = session.fetch(ledger.READ, {"asset": plan.asset, "hour_at": _hour_at(plan)})
    return found[0] if found else None


def write(
    session: Session,
    plan: Plan,
    made_from: Mapping[Hour, Input],
    counts: Mapping[str, int],
    load_id: str,
) -> None:
    """A row for each hour of the load, in place of those of before; of one hour the counts are
    those of its steps, of a span they are counted."""
    now, hours = naive(clock.utc_now()), plan.hour.hours
    if len(hours) == 1:
        own = {step.table.name: counts[step.table.name] for step in _of_the_hour(plan)}
        row = {**_values(plan, hours[0], made_from[hours[0]], own, now), "load_id": load_id}
        session.execute(ledger.FORGET, {"asset": plan.asset, "hour_at": row["hour_at"]})
        session.execute(ledger.WRITE, row)
        return
    by_hour = _counts_by_hour(session, plan)
    session.execute(ledger.FORGET_SPAN, {"asset": plan.asset, **_span(plan)})
    for at in range(0, len(hours), _ROWS_A_STATEMENT):
        part = hours[at : at + _ROWS_A_STATEMENT]
        values = {
            f"{name}_{number}": value
            for number, hour in enumerate(part)
            for name, value in _values(plan, hour, made_from[hour], by_hour[hour], now).items()
        }
        session.execute(ledger.write_many(len(part)), {**values, "load_id": load_id})


def _values(
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


def _of_the_hour(plan: Plan) -> list[LoadRows | Replace]:
    """The steps whose rows are the hour's: only their number stays what it was when loaded."""
    replaced = (step for step in plan.steps if isinstance(step, LoadRows | Replace))
    return [step for step in replaced if step.table.hour_column is not None]


def row_count(session: Session, table: Table, scope: Scope) -> int:
    """How many rows of a table are in a scope now."""
    found = session.fetch(
        f"SELECT COUNT(*) FROM {table.full_name} WHERE {scope.predicate}", scope.params
    )
    return int(found[0][0])


def _span(plan: Plan) -> dict[str, datetime]:
    return {"start_at": naive(plan.hour.start), "end_at": naive(plan.hour.end)}


def _hour_at(plan: Plan) -> datetime:
    return naive(plan.hour.start)

"""The ledger, `ops.ledger`: what is loaded, from which input, by which code.

Its SQL, and how a load reads and writes its rows inside its transaction; `executor` runs the load.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from charging_assets import clock
from charging_assets.hours import Hour, to_naive_utc
from charging_assets.schemas.table import Table
from charging_assets.warehouse.interface import Session
from charging_assets.warehouse.plan import (
    ALL_FEEDS,
    FeedHour,
    GuardFailed,
    LoadInput,
    NotStaged,
    Plan,
    ReplaceFromArrow,
    ReplaceFromSelect,
    Scope,
    except_kept,
)

READ = """
SELECT archive_digest, input_digest, code_version, row_counts, is_staged, load_id
FROM ops.ledger
WHERE asset = :asset AND feed = :feed AND slot_at = :hour_at
"""

DELETE = "DELETE FROM ops.ledger WHERE asset = :asset AND slot_at = :hour_at"

WRITE = """
INSERT INTO ops.ledger (
  asset, feed, slot_at, archive_digest, input_digest, code_version, row_count, row_counts,
  is_staged, loaded_at, load_id
) VALUES (
  :asset, :feed, :hour_at, :archive_digest, :input_digest, :code_version, :row_count, :row_counts,
  TRUE, :loaded_at, :load_id
)
"""

READ_SPAN = """
SELECT slot_at, feed, archive_digest, input_digest, is_staged, code_version, row_counts, load_id
FROM ops.ledger
WHERE asset = :asset AND slot_at >= :start_at AND slot_at < :end_at
"""

ROWS_OF_SPAN = """
SELECT slot_at, SUM(row_count) AS row_count
FROM ops.ledger
WHERE asset = :asset AND slot_at >= :start_at AND slot_at < :end_at
GROUP BY slot_at
"""

ALL_ROWS_OF_SPAN = """
SELECT slot_at, SUM(row_count) AS row_count
FROM ops.ledger
WHERE slot_at >= :start_at AND slot_at < :end_at
GROUP BY slot_at
"""

DELETE_SPAN = """
DELETE FROM ops.ledger WHERE asset = :asset AND slot_at >= :start_at AND slot_at < :end_at
"""


def write_many(count: int) -> str:
    """WRITE for `count` rows of one load; each parameter is suffixed with the number of its row."""
    head, values = WRITE.split("VALUES")
    numbered = (
        re.sub(r":(?!load_id)(\w+)", rf":\g<1>_{number}", values.strip()) for number in range(count)
    )
    return f"{head}VALUES {', '.join(numbered)}"


UNSTAGE = """
UPDATE ops.ledger SET is_staged = FALSE
WHERE asset = :asset AND slot_at >= :scope_start AND slot_at < :scope_end
"""

# Hours are in staging if all feeds that were loaded are.
STAGED = """
SELECT slot_at
FROM ops.ledger
WHERE asset = :asset AND slot_at >= :first_at AND slot_at <= :last_at
GROUP BY slot_at
HAVING MIN(CASE WHEN is_staged THEN 1 ELSE 0 END) = 1
"""

STAGED_BEFORE = """
SELECT COUNT(DISTINCT slot_at) AS hour_count
FROM ops.ledger
WHERE asset = :asset AND is_staged AND slot_at < :first_at
"""

UNSTAGE_BEFORE = """
UPDATE ops.ledger SET is_staged = FALSE
WHERE asset = :asset AND is_staged AND slot_at < :first_at
"""

# How many ledger rows of a span are written by one statement.
_ROWS_A_STATEMENT = 100


def inputs(session: Session, plan: Plan) -> Mapping[FeedHour, LoadInput]:
    """The input of each hour of the load; of a load by feed, that of each feed's hour."""
    if plan.inputs is not None:
        return plan.inputs
    if plan.input_digest is not None:
        made_from = LoadInput(plan.input_digest, plan.archive_digest)
        return {(hour, ALL_FEEDS): made_from for hour in plan.hour.hours}
    by_hour: dict[datetime, dict[str, LoadInput]] = {}
    unstaged: dict[datetime, str] = {}
    for hour_at, feed, archive_digest, digest, is_staged, *_ in session.fetch(
        READ_SPAN, {"asset": plan.input_from or "", **_span(plan)}
    ):
        by_hour.setdefault(hour_at, {})[feed] = LoadInput(digest, archive_digest)
        if not is_staged:
            unstaged[hour_at] = feed
    for hour in plan.hour.hours:
        hour_at = to_naive_utc(hour.start)
        if hour_at not in by_hour or hour_at in unstaged:
            feed = unstaged.get(hour_at, ALL_FEEDS)
            of_feed = f" of feed {feed}" if feed and len(by_hour[hour_at]) > 1 else ""
            raise NotStaged(
                f"{hour}{of_feed} is not staged; materialize {plan.input_from} for {hour} first"
            )
    return {
        (hour, ALL_FEEDS): combine_inputs(by_hour[to_naive_utc(hour.start)])
        for hour in plan.hour.hours
    }


def combine_inputs(by_feed: Mapping[str, LoadInput]) -> LoadInput:
    """Combine the inputs of an hour's feeds into the hour's; one feed's input stays as it is."""
    if len(by_feed) == 1:
        ((_, made_from),) = by_feed.items()
        return made_from
    feeds = sorted(by_feed)
    return LoadInput(
        _hash([f"{feed}:{by_feed[feed].digest}" for feed in feeds]),
        _hash([f"{feed}:{by_feed[feed].archive_digest}" for feed in feeds]),
    )


def _hash(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Unchanged:
    """Feeds and hours of a load that were loaded from the same before, with their row counts.

    `is_all` is set where the warehouse holds nothing else in the load's scopes.
    """

    counts: Mapping[FeedHour, Mapping[str, int]]
    is_all: bool

    @property
    def total(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for counts in self.counts.values():
            for name, count in counts.items():
                total[name] = total.get(name, 0) + count
        return total


def find_unchanged(
    session: Session, plan: Plan, made_from: Mapping[FeedHour, LoadInput]
) -> Unchanged:
    """Find the parts of a load with the same input and code, whose rows are all still there."""
    if len(made_from) == 1 and not plan.by_feed:
        return _unchanged_hour(session, plan, made_from)
    rows = {
        (hour_at, feed): row
        for hour_at, feed, *row in session.fetch(READ_SPAN, {"asset": plan.asset, **_span(plan)})
    }
    kept = {(to_naive_utc(hour.start), feed) for hour, feed in plan.kept}
    parts = {(to_naive_utc(hour.start), feed): (hour, feed) for hour, feed in made_from}
    same: dict[FeedHour, dict[str, int]] = {}
    for at, (_, digest, is_staged, code_version, row_counts, _) in rows.items():
        part = parts.get(at)
        if part is not None and is_staged:
            expected = made_from[part].code_version or plan.code_version
            if (digest, code_version) == (made_from[part].digest, expected):
                same[part] = json.loads(row_counts)
    if not same:
        return Unchanged({}, is_all=False)
    is_all = len(same) == len(made_from) and rows.keys() <= parts.keys() | kept
    counted, strays = _count_rows(session, plan, made_from)
    same = {part: counts for part, counts in same.items() if counted[part] == counts}
    return Unchanged(same, is_all=is_all and len(same) == len(made_from) and not strays)


def _unchanged_hour(
    session: Session, plan: Plan, made_from: Mapping[FeedHour, LoadInput]
) -> Unchanged:
    ((part, wanted),) = made_from.items()
    row, changed = read_row(session, plan, made_from), Unchanged({}, is_all=False)
    expected = (wanted.digest, wanted.code_version or plan.code_version)
    if row is None or not row[4] or row[1:3] != expected:
        return changed
    counts: dict[str, int] = json.loads(row[3])
    for step in _hourly_steps(plan):
        if counts.get(step.table.name) != row_count(session, step.table, step.scope):
            return changed
    return Unchanged({part: counts}, is_all=True)


def read_row(
    session: Session, plan: Plan, made_from: Mapping[FeedHour, LoadInput]
) -> tuple[Any, ...] | None:
    """The row of a load's first hour and feed, as `READ` has it."""
    hour, feed = next(iter(made_from), (plan.hour.hours[0], ALL_FEEDS))
    named = {"asset": plan.asset, "feed": feed, "hour_at": to_naive_utc(hour.start)}
    rows = session.fetch(READ, named)
    return rows[0] if rows else None


def counts_of_load(session: Session, plan: Plan, load_id: str) -> dict[str, int]:
    """The rows that a load has written, by table, as the ledger counts them."""
    total: dict[str, int] = {}
    for *_, row_counts, row_load_id in session.fetch(
        READ_SPAN, {"asset": plan.asset, **_span(plan)}
    ):
        if row_load_id == load_id:
            for name, count in json.loads(row_counts).items():
                total[name] = total.get(name, 0) + count
    return total


def write(
    session: Session,
    plan: Plan,
    made_from: Mapping[FeedHour, LoadInput],
    counts: Mapping[str, int],
    load_id: str,
) -> None:
    """Write a row for each hour of the load, or feed's hour, in place of earlier ones.

    Counts of a single hour are those of the steps; those of several hours are queried.
    """
    now, parts = to_naive_utc(clock.utc_now()), list(made_from)
    if len(parts) == 1 and len(plan.hour.hours) == 1:
        (part,) = parts
        step_counts = {step.table.name: counts[step.table.name] for step in _hourly_steps(plan)}
        row = {**_values(plan, part, made_from[part], step_counts, now), "load_id": load_id}
        kept = except_kept("slot_at", plan.hour, plan.kept)
        params = {"asset": plan.asset, "hour_at": row["hour_at"], **kept.params}
        session.execute(DELETE + kept.predicate, params)
        session.execute(WRITE, row)
        return
    by_part, strays = _count_rows(session, plan, made_from)
    if strays:
        raise GuardFailed(strays[0])
    kept = except_kept("slot_at", plan.hour, plan.kept)
    params = {"asset": plan.asset, **_span(plan), **kept.params}
    session.execute(DELETE_SPAN.rstrip() + kept.predicate, params)
    for at in range(0, len(parts), _ROWS_A_STATEMENT):
        batch = parts[at : at + _ROWS_A_STATEMENT]
        values = {
            f"{name}_{number}": value
            for number, part in enumerate(batch)
            for name, value in _values(plan, part, made_from[part], by_part[part], now).items()
        }
        session.execute(write_many(len(batch)), {**values, "load_id": load_id})


def _values(
    plan: Plan, part: FeedHour, made_from: LoadInput, counts: Mapping[str, int], now: datetime
) -> dict[str, Any]:
    hour, feed = part
    return {
        "asset": plan.asset,
        "feed": feed,
        "hour_at": to_naive_utc(hour.start),
        "archive_digest": made_from.archive_digest,
        "input_digest": made_from.digest,
        "code_version": made_from.code_version or plan.code_version,
        "row_count": sum(counts.values()),
        "row_counts": json.dumps(counts, sort_keys=True),
        "loaded_at": now,
    }


def _count_rows(
    session: Session, plan: Plan, parts: Iterable[FeedHour]
) -> tuple[dict[FeedHour, dict[str, int]], list[str]]:
    """The rows of each hour, or feed's hour, in the tables that are partitioned by hour.

    Also errors about rows in the load's scopes that belong to none of them.
    """
    steps, strays = _hourly_steps(plan), list[str]()
    counts = {part: {step.table.name: 0 for step in steps} for part in parts}
    feed_column = "feed" if plan.by_feed else f"'{ALL_FEEDS}'"
    groups = "1, 2" if plan.by_feed else "1"
    for step in steps:
        for hour_at, feed, count in session.fetch(
            f"SELECT DATE_TRUNC('hour', {step.table.hour_column}) AS hour_at, "
            f"{feed_column} AS feed, COUNT(*) "
            f"FROM {step.table.full_name} WHERE {step.scope.predicate} GROUP BY {groups}",
            step.scope.params,
        ):
            part = Hour.of(hour_at.replace(tzinfo=UTC)), feed
            if part not in counts:
                of_feed = f" of feed {feed}" if plan.by_feed else ""
                strays.append(
                    f"{step.table.full_name} would hold rows of {part[0]}{of_feed}, which is not "
                    f"among the hours of {plan.hour} that are loaded; nothing was changed"
                )
            else:
                counts[part][step.table.name] = int(count)
    return counts, strays


def _hourly_steps(plan: Plan) -> list[ReplaceFromArrow | ReplaceFromSelect]:
    """The steps on tables partitioned by hour, whose row count stays the same after the load."""
    replaced = (
        step for step in plan.steps if isinstance(step, ReplaceFromArrow | ReplaceFromSelect)
    )
    return [step for step in replaced if step.table.hour_column is not None]


def row_count(session: Session, table: Table, scope: Scope) -> int:
    """How many rows of a table are in a scope now."""
    rows = session.fetch(
        f"SELECT COUNT(*) FROM {table.full_name} WHERE {scope.predicate}", scope.params
    )
    return int(rows[0][0])


def _span(plan: Plan) -> dict[str, datetime]:
    return {"start_at": to_naive_utc(plan.hour.start), "end_at": to_naive_utc(plan.hour.end)}

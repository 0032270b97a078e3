"""Load plans: the steps of a transaction, independent of the engine, with SQL for Redshift.

`executor` runs them. Which asset loads what is defined in `charging_assets.modelling`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

import pyarrow as pa

from charging_assets.hours import Hour, Span, consecutive_groups, to_naive_utc
from charging_assets.schemas.table import Table

Params = Mapping[str, Any]

# The feed of ledger rows and inputs of loads whose rows are those of all feeds.
ALL_FEEDS = ""
# What a ledger row is of: an hour, and a feed or `ALL_FEEDS`.
FeedHour = tuple[Hour, str]


@dataclass(frozen=True)
class Scope:
    """The rows of a table that a load replaces: declared, never derived from the new rows."""

    predicate: str
    params: Params = field(default_factory=dict)


def hour_scope(table: Table, hour: Hour | Span, **equal: Any) -> Scope:
    """The rows of an hour, or span of hours, of a table, and only those with the values given."""
    if table.hour_column is None:
        raise ValueError(f"{table.full_name} is not partitioned by hour")
    terms = [f"{table.hour_column} >= :scope_start", f"{table.hour_column} < :scope_end"]
    terms += [f"{name} = :scope_{name}" for name in equal]
    values = {f"scope_{name}": value for name, value in equal.items()}
    return Scope(" AND ".join(terms), {**window(hour, "scope"), **values})


def hour_scope_except(table: Table, hour: Hour | Span, kept: Collection[FeedHour]) -> Scope:
    """The rows of an hour, or span of hours, of a table, except those of some feeds and hours."""
    whole = hour_scope(table, hour)
    kept_rows = except_kept(table.hour_column or "", hour, kept)
    return Scope(whole.predicate + kept_rows.predicate, {**whole.params, **kept_rows.params})


def except_kept(column: str, hour: Hour | Span, kept: Collection[FeedHour]) -> Scope:
    """Terms, to be added to others, that leave out the rows of some feeds and hours.

    `column` holds times of the hours. A feed's neighbouring hours are one term.
    """
    terms: list[str] = []
    values: dict[str, Any] = {}
    by_feed: dict[str, set[Hour]] = {}
    for each, feed in kept:
        if hour.start <= each.start < hour.end:
            by_feed.setdefault(feed, set()).add(each)
    for feed, hours in sorted(by_feed.items()):
        for group in consecutive_groups(hours):
            n = len(terms)
            terms.append(
                f" AND NOT (feed = :kept_feed_{n} AND {column} >= :kept_start_{n} "
                f"AND {column} < :kept_end_{n})"
            )
            values |= {
                f"kept_feed_{n}": feed,
                f"kept_start_{n}": to_naive_utc(group[0].start),
                f"kept_end_{n}": to_naive_utc(group[-1].end),
            }
    return Scope("".join(terms), values)


def key_scope(column: str, temp: str, **equal: Any) -> Scope:
    """The rows whose key is in a temp table's column `entity_key`."""
    terms = [f"{column} IN (SELECT entity_key FROM {temp})"]
    terms += [f"{name} = :scope_{name}" for name in equal]
    return Scope(" AND ".join(terms), {f"scope_{name}": value for name, value in equal.items()})


def window(hour: Hour | Span, prefix: str = "window") -> dict[str, datetime]:
    """The bounds of an hour or span as SQL parameters: naive UTC, half-open."""
    return {
        f"{prefix}_start": to_naive_utc(hour.start),
        f"{prefix}_end": to_naive_utc(hour.end),
    }


@dataclass(frozen=True)
class ReplaceFromArrow:
    """Replace a scope by rows from outside the warehouse. `read` is called before BEGIN."""

    table: Table
    scope: Scope
    read: Callable[[], pa.Table]


@dataclass(frozen=True)
class ReplaceFromSelect:
    """Replace a scope by the rows of a SELECT that names the table's columns."""

    table: Table
    scope: Scope
    select: str
    params: Params = field(default_factory=dict)


@dataclass(frozen=True)
class CreateTempTable:
    """Keep the rows of a SELECT for later steps of the same load."""

    name: str
    select: str
    params: Params = field(default_factory=dict)


@dataclass(frozen=True)
class Guard:
    """A SELECT of invalid rows: any row fails the load, and the old rows stay."""

    name: str
    select: str
    params: Params = field(default_factory=dict)
    remedy: str = ""


@dataclass(frozen=True)
class BindParams:
    """Take the columns of a SELECT's one row as parameters of all later steps of the load.

    With them a scope or scan can be as narrow as the data allows, and still be declared.
    """

    names: tuple[str, ...]
    select: str
    params: Params = field(default_factory=dict)


@dataclass(frozen=True)
class Execute:
    """Run a statement whose rows belong to no scope of this load."""

    statement: str
    params: Params = field(default_factory=dict)


@dataclass(frozen=True)
class Replan:
    """Where a SELECT has rows, roll the load back and run the plan that is made of them instead.

    For what can only be decided from rows that are in the warehouse. The plan is made outside of
    any transaction.
    """

    select: str
    plan_of: Callable[[Sequence[tuple[Any, ...]]], Plan]
    params: Params = field(default_factory=dict)


@dataclass(frozen=True)
class When:
    """Run steps only where a SELECT has rows."""

    select: str
    steps: tuple[Step, ...]
    params: Params = field(default_factory=dict)


Step: TypeAlias = (
    "ReplaceFromArrow | ReplaceFromSelect | CreateTempTable | Guard | BindParams | Execute "
    "| Replan | When"
)


@dataclass(frozen=True)
class LoadInput:
    """What an hour's load is made from: a hash of the files, and of the raw objects behind them.

    `code_version` is that of the load of this hour, where it is not the plan's.
    """

    digest: str
    archive_digest: str | None
    code_version: str | None = None


@dataclass(frozen=True)
class Plan:
    """One asset's load of one hour, or of a span of hours at once.

    `input_digest` is what the load of an hour was made from, `inputs` the same by hour and feed.
    Neither takes it, inside the transaction, from the ledger rows of the asset named in
    `input_from`, and fails where an hour is not staged. `skip_if_same` makes the load of an hour
    with the same input and code a no-op. Of a load `by_feed`, which has a ledger row per feed and
    hour, `narrow` gives the plan of the feeds and hours that differ; `kept` are those that are left
    as they are.
    """

    asset: str
    hour: Hour | Span
    code_version: str
    steps: tuple[Step, ...]
    input_digest: str | None = None
    archive_digest: str | None = None
    input_from: str | None = None
    skip_if_same: bool = False
    inputs: Mapping[FeedHour, LoadInput] | None = None
    by_feed: bool = False
    narrow: Callable[[Collection[FeedHour]], Plan] | None = None
    kept: frozenset[FeedHour] = frozenset()


@dataclass(frozen=True)
class SpanLoad:
    """An asset's load of many hours: a transaction per span, `plan_of` makes the plan of each.

    `plan_of` takes any part of a span as well: where one of its hours cannot be loaded, the others
    are loaded without it. `plans_by_feed` are the plans of an hour's feeds alone, for an hour that
    cannot be loaded as a whole. `failed` are hours that are in no span, and `failed_feeds` feeds
    that are left out of an hour, and why.
    """

    spans: Sequence[Hour | Span]
    plan_of: Callable[[Hour | Span], Plan]
    failed: Mapping[Hour, str] = field(default_factory=dict)
    failed_feeds: Mapping[Hour, Mapping[str, str]] = field(default_factory=dict)
    plans_by_feed: Callable[[Hour], Mapping[str, Callable[[], Plan]]] | None = None


@dataclass(frozen=True)
class LoadResult:
    """Result of a load: rows per table in its scopes, or `skipped` as nothing had changed.

    `is_partial` is set where rows of other feeds of the hours were left as they are.
    `dimension_rows` is the row count of the asset's table, if it is not partitioned by hour.
    """

    row_counts: Mapping[str, int]
    skipped: bool = False
    is_partial: bool = False
    dimension_rows: int | None = None

    @property
    def row_count(self) -> int:
        return sum(self.row_counts.values())


class LoadError(Exception):
    """A load was refused or failed; nothing of it is in the warehouse."""


class GuardFailed(LoadError):
    """A `Guard` returned rows before commit."""


class PlanChanged(Exception):
    """The load was rolled back, to be run by the plan that `make_plan` makes (`Replan`)."""

    def __init__(self, make_plan: Callable[[], Plan]) -> None:
        super().__init__("the load is run by another plan")
        self.make_plan = make_plan


class NotStaged(LoadError):
    """The hour is not in staging."""


class WrongColumns(LoadError):
    """Rows do not have the columns of their table."""


def check_columns(table: Table, rows: pa.Table, declared: pa.Schema) -> None:
    """Refuse rows whose columns are not the table's, in name, order and type."""
    actual = [(field.name, str(field.type)) for field in rows.schema]
    expected = [(field.name, str(field.type)) for field in declared]
    if actual != expected:
        differing = sorted(set(actual) ^ set(expected)) or "their order"
        raise WrongColumns(
            f"rows for {table.full_name} differ from its schema in {differing}; "
            "materialize the flat tables of the hour again"
        )
    for name in (column.name for column in table.columns if not column.nullable):
        if rows.column(name).null_count:
            raise WrongColumns(f"rows for {table.full_name} have nulls in {name}, which has none")

"""Evaluate rules for an hour, without Dagster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from charging_assets import clock
from charging_assets.checks.rules import SAMPLE_SIZE, CheckContext, Finding, Rule, parameters
from charging_assets.hours import Hour, Span, span_of, to_naive_utc
from charging_assets.lake.store import Lake
from charging_assets.modelling.staging import ASSET as STAGED_ASSET
from charging_assets.sources.feeds import Feed
from charging_assets.warehouse import ledger
from charging_assets.warehouse.flat_queries import FlatQueries
from charging_assets.warehouse.interface import NoWarehouse, Reader, Warehouse


@dataclass
class HourContext:
    """The `CheckContext` of an hour, over a lake and a warehouse."""

    hour: Hour
    lake: Lake
    warehouse: Reader
    now: datetime
    feeds: Mapping[str, Feed] = field(default_factory=dict)
    flat: FlatQueries = field(init=False)

    def __post_init__(self) -> None:
        self.flat = FlatQueries(self.lake, self.hour)

    def query_flat_files(self, select: str) -> pa.Table:
        return self.flat.query(select, parameters(self.hour, self.now))

    def query_warehouse(self, select: str, **extra: Any) -> pa.Table:
        return self.warehouse.query(select, {**parameters(self.hour, self.now), **extra})


@dataclass
class _SpanContext(HourContext):
    """The `CheckContext` of a span of hours, for rules that are span-safe: warehouse only."""

    span: Hour | Span | None = None

    def query_flat_files(self, select: str) -> pa.Table:
        raise ValueError(
            "flat files are stored per hour; a rule that reads them must not set is_span_safe"
        )

    def query_warehouse(self, select: str, **extra: Any) -> pa.Table:
        return self.warehouse.query(
            select, {**parameters(self.span or self.hour, self.now), **extra}
        )


@contextmanager
def open_context(
    hour: Hour,
    lake: Lake,
    warehouse: Warehouse,
    now: datetime | None = None,
    feeds: Mapping[str, Feed] | None = None,
) -> Iterator[HourContext]:
    """The context of an hour; the warehouse and the flat files are closed on exit."""
    with warehouse.reading() as reader, hour_context(hour, lake, reader, now, feeds) as context:
        yield context


@contextmanager
def hour_context(
    hour: Hour,
    lake: Lake,
    reader: Reader,
    now: datetime | None = None,
    feeds: Mapping[str, Feed] | None = None,
) -> Iterator[HourContext]:
    """The context of an hour over an open reader; the flat files are closed on exit."""
    context = HourContext(hour, lake, reader, now or clock.utc_now(), feeds or {})
    with closing(context.flat):
        yield context


def evaluate_over_span(
    rules: Sequence[Rule], hours: Sequence[Hour], lake: Lake, reader: Reader
) -> dict[Rule, Finding]:
    """The findings of span-safe rules that pass for all of the hours, from one query per rule.

    Rules with failing rows and rules that cannot be evaluated are left out: they are evaluated
    for each hour, which reports the failing hours. Empty if there is only one hour.
    """
    if len(hours) == 1:
        return {}
    context = _SpanContext(hours[0], lake, reader, clock.utc_now(), span=span_of(hours))
    passed: dict[Rule, Finding] = {}
    for rule in rules:
        if rule.is_span_safe:
            with suppress(Exception):
                finding = evaluate_rule(rule, context)
                if not finding.count:
                    passed[rule] = finding
    return passed


def filter_applicable(rules: Sequence[Rule], context: CheckContext) -> Sequence[Rule]:
    """The rules, without those that read staging if the hour was pruned from staging.

    Without the staged rows, correct facts would look like errors.
    """
    if not any(rule.reads_staging for rule in rules) or _is_staged(context):
        return rules
    return [rule for rule in rules if not rule.reads_staging]


def _is_staged(context: CheckContext) -> bool:
    slot_at = to_naive_utc(context.hour.start)
    ledger_key = {"asset": STAGED_ASSET, "first_at": slot_at, "last_at": slot_at}
    try:
        return bool(context.warehouse.query(ledger.STAGED, ledger_key).num_rows)
    except NoWarehouse:
        return False


def evaluate_rule(rule: Rule, context: CheckContext) -> Finding:
    """The finding of one rule."""
    rows = rule.find(context)
    if isinstance(rows, pa.Table):
        count, sample = rows.num_rows, rows.slice(0, SAMPLE_SIZE).to_pylist()
    else:
        count, sample = len(rows), list(rows[:SAMPLE_SIZE])
    population = rule.population(context) if rule.population else None
    return Finding(rule, count, tuple(sample), population)

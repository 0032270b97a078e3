"""Running rules: an hour, a set of rules, what was found.

Belongs here: how SELECTs of checks get at rows, and what is kept of what they find. Does not
belong here: Dagster (`assets`), rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from charging_assets import clock
from charging_assets.checks.rules import SAMPLE, Finding, Rule, Scene, parameters
from charging_assets.hours import Hour, Span, spanned, to_naive_utc
from charging_assets.lake.store import Lake
from charging_assets.modelling.staging import ASSET as STAGED_ASSET
from charging_assets.sources.feeds import Feed
from charging_assets.warehouse import ledger
from charging_assets.warehouse.flat_queries import FlatQueries
from charging_assets.warehouse.interface import NoWarehouse, Reader, Warehouse


@dataclass
class HourScene:
    """A `Scene` over a lake and a warehouse."""

    hour: Hour
    lake: Lake
    warehouse: Reader
    now: datetime
    feeds: Mapping[str, Feed] = field(default_factory=dict)
    flat: FlatQueries = field(init=False)

    def __post_init__(self) -> None:
        self.flat = FlatQueries(self.lake, self.hour)

    def in_flat_files(self, select: str) -> pa.Table:
        return self.flat.query(select, parameters(self.hour, self.now))

    def in_warehouse(self, select: str, **more: Any) -> pa.Table:
        return self.warehouse.query(select, {**parameters(self.hour, self.now), **more})


@dataclass
class _SpanScene(HourScene):
    """A `Scene` over all hours of a span, for rules of spans: the warehouse alone."""

    span: Hour | Span | None = None

    def in_flat_files(self, select: str) -> pa.Table:
        raise ValueError("flat files are those of an hour: a rule over them is none of spans")

    def in_warehouse(self, select: str, **more: Any) -> pa.Table:
        return self.warehouse.query(
            select, {**parameters(self.span or self.hour, self.now), **more}
        )


@contextmanager
def opened(
    hour: Hour,
    lake: Lake,
    warehouse: Warehouse,
    now: datetime | None = None,
    feeds: Mapping[str, Feed] | None = None,
) -> Iterator[HourScene]:
    """An hour to ask about: its flat files and the warehouse are opened once, and closed."""
    with warehouse.reading() as reader, in_hour(hour, lake, reader, now, feeds) as scene:
        yield scene


@contextmanager
def in_hour(
    hour: Hour,
    lake: Lake,
    reader: Reader,
    now: datetime | None = None,
    feeds: Mapping[str, Feed] | None = None,
) -> Iterator[HourScene]:
    """An hour to ask about, over a warehouse that is open already."""
    scene = HourScene(hour, lake, reader, now or clock.utc_now(), feeds or {})
    with closing(scene.flat):
        yield scene


def found_nowhere(
    rules: Sequence[Rule], hours: Sequence[Hour], lake: Lake, reader: Reader
) -> dict[Rule, Finding]:
    """The rules of spans that nothing breaks in any of some hours: asked once and not for each.

    A rule that cannot be evaluated is none of them: what is wrong is told for each hour.
    """
    if len(hours) == 1:
        return {}
    scene = _SpanScene(hours[0], lake, reader, clock.utc_now(), span=spanned(hours))
    clear: dict[Rule, Finding] = {}
    for rule in rules:
        if rule.is_of_spans:
            with suppress(Exception):
                finding = found(rule, scene)
                if not finding.count:
                    clear[rule] = finding
    return clear


def applicable(rules: Sequence[Rule], scene: Scene) -> Sequence[Rule]:
    """The rules without those that read staging, where staging no longer has the hour.

    Rows are deleted from staging after some days; compared with none, facts would seem wrong.
    """
    if not any(rule.reads_staging for rule in rules) or _is_staged(scene):
        return rules
    return [rule for rule in rules if not rule.reads_staging]


def _is_staged(scene: Scene) -> bool:
    slot_at = to_naive_utc(scene.hour.start)
    asked = {"asset": STAGED_ASSET, "first_at": slot_at, "last_at": slot_at}
    try:
        return bool(scene.warehouse.query(ledger.STAGED, asked).num_rows)
    except NoWarehouse:
        return False


def found(rule: Rule, scene: Scene) -> Finding:
    """What one rule finds."""
    rows = rule.find(scene)
    if isinstance(rows, pa.Table):
        count, sample = rows.num_rows, rows.slice(0, SAMPLE).to_pylist()
    else:
        count, sample = len(rows), list(rows[:SAMPLE])
    population = rule.population(scene) if rule.population else None
    return Finding(rule, count, tuple(sample), population)

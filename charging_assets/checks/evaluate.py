"""Running rules: an hour, a set of rules, what was found.

Belongs here: how SELECTs of checks get at rows, and what is kept of what they find. Does not
belong here: Dagster (`assets`), rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from charging_assets import clock
from charging_assets.checks.rules import SAMPLE, Finding, Rule, Scene, parameters
from charging_assets.partitions import Hour
from charging_assets.storage.flat_queries import FlatQueries
from charging_assets.storage.lake import Lake
from charging_assets.storage.warehouse import Reader, Warehouse


@dataclass
class HourScene:
    """A `Scene` over a lake and a warehouse."""

    hour: Hour
    lake: Lake
    warehouse: Reader
    now: datetime
    flat: FlatQueries = field(init=False)

    def __post_init__(self) -> None:
        self.flat = FlatQueries(self.lake, self.hour)

    def in_flat_files(self, select: str) -> pa.Table:
        return self.flat.query(select, parameters(self.hour, self.now))

    def in_warehouse(self, select: str, **more: Any) -> pa.Table:
        return self.warehouse.query(select, {**parameters(self.hour, self.now), **more})


@contextmanager
def opened(
    hour: Hour, lake: Lake, warehouse: Warehouse, now: datetime | None = None
) -> Iterator[HourScene]:
    """An hour to ask about: its flat files and the warehouse are opened once, and closed."""
    with warehouse.reading() as reader:
        scene = HourScene(hour, lake, reader, now or clock.utc_now())
        with closing(scene.flat):
            yield scene


def findings(
    rules: Iterable[Rule],
    hour: Hour,
    lake: Lake,
    warehouse: Warehouse,
    now: datetime | None = None,
) -> list[Finding]:
    """What each rule finds in an hour, in the order of the rules.

    A list: whoever tells it elsewhere, which takes its time, must not hold the warehouse meanwhile.
    """
    with opened(hour, lake, warehouse, now) as scene:
        return [found(rule, scene) for rule in rules]


def found(rule: Rule, scene: Scene) -> Finding:
    """What one rule finds."""
    rows = rule.find(scene)
    if isinstance(rows, pa.Table):
        count, sample = rows.num_rows, rows.slice(0, SAMPLE).to_pylist()
    else:
        count, sample = len(rows), list(rows[:SAMPLE])
    population = rule.population(scene) if rule.population else None
    return Finding(rule, count, tuple(sample), population)

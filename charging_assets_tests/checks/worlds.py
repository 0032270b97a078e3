"""An hour in which every rule holds, and ways to break it.

Belongs here: a lake and a warehouse with a clean hour, and running single rules on them. Does not
belong here: what breaks (`test_defects`).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from charging_assets.checks.registry import RULES
from charging_assets.checks.rules import Finding
from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.store import Lake
from charging_assets.publication.publish import publish
from charging_assets.sources.feeds import Feed
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.interface import Warehouse
from charging_assets_tests import builders
from charging_assets_tests.checks.evaluating import findings
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR

BY_NAME = {rule.name: rule for rule in RULES}
MINUTES = (0, 10, 20, 30, 40, 50)
WEEK = 7 * 24 * 60
# Half an hour after the hour's end: it must be there by now.
NOW = HOUR.end + timedelta(minutes=30)

# The feed of the archive in the configuration.
FEEDS = {
    "test": Feed(name="test", kind="chargecloud", base_url="https://poi.example", places=("koeln",))
}

Told = Sequence[Mapping[str, Any]]


def evse(uid: str = "e1", status: str | None = "AVAILABLE", **fields: Any) -> dict[str, Any]:
    """An EVSE that no rule finds fault with."""
    return hours.evse(uid, status, **{"id": f"DE*TST*E{uid}*001", **fields})


def station(
    evses: Sequence[dict[str, Any]] | None = None, station_id: str = "s1", **fields: Any
) -> dict[str, Any]:
    """A station that no rule finds fault with."""
    return hours.station([evse()] if evses is None else evses, station_id, **fields)


def network(status: str = "AVAILABLE") -> list[dict[str, Any]]:
    """Two stations with three EVSEs, the first of which has a status."""
    return [
        station([evse("e1", status), evse("e2")]),
        station([evse("e3")], "s2", opening_times=_BY_DAY),
    ]


_BY_DAY = {
    "twentyfourseven": False,
    "regular_hours": [{"weekday": 1, "period_begin": "08:00", "period_end": "20:00"}],
}


def flat_lake(told: Told | Mapping[str, Any] | None, minutes: Sequence[float] = MINUTES) -> Lake:
    """A lake in which every poll of the hour told the same, with its flat files."""
    lake = MemoryLake()
    for minute in minutes:
        hours.put(lake, minute, told)
    hours.flat_files(lake)
    return lake


@dataclass
class World:
    """A lake and a warehouse in a file."""

    lake: MemoryLake
    path: Path

    @property
    def warehouse(self) -> DuckDBWarehouse:
        return DuckDBWarehouse(self.path)

    def copy(self, path: Path) -> World:
        """The same once more, to be broken."""
        shutil.copy(self.path, path)
        lake = MemoryLake()
        lake.objects.update(self.lake.objects)
        return World(lake, path)

    def broken(self, *statements: str) -> World:
        """The world after some statements that no load would run."""
        self.warehouse.execute(*((statement, {}) for statement in statements))
        return self

    def find(
        self, name: str, now: datetime = NOW, feeds: Mapping[str, Feed] | None = None
    ) -> Finding:
        return find(name, self.lake, self.warehouse, now, feeds)


def clean(path: Path) -> World:
    """An hour with a charging session, after two weeks in which the same hour was the same."""
    world, warehouse = World(MemoryLake(), path), DuckDBWarehouse(path)
    for weeks in (2, 1, 0):
        for minute in MINUTES:
            status = "CHARGING" if minute in (10, 20) else "AVAILABLE"
            hours.put(world.lake, minute - weeks * WEEK, network(status))
        whole = ("",) if weeks == 0 else ("fact_poll",)
        hours.load(warehouse, world.lake, hours.hour_after(-weeks * 7 * 24), whole)
    publish(world.lake, warehouse, HOUR)
    return world


def find(
    name: str,
    lake: Lake,
    warehouse: Warehouse | None = None,
    now: datetime = NOW,
    feeds: Mapping[str, Feed] | None = None,
) -> Finding:
    """What a rule finds in the hour."""
    (finding,) = findings(
        [BY_NAME[name]], HOUR, lake, warehouse or DuckDBWarehouse(None), now, feeds or FEEDS
    )
    return finding


def told(finding: Finding) -> str:
    """What is shown of a finding, as one text."""
    return " ".join(str(dict(row)) for row in finding.sample)


def poll_at(lake: Lake, minute: float, at: str) -> None:
    """A poll whose source has another clock."""
    builders.archived(lake, builders.poll(minute), {"koeln": builders.envelope(*network(), at=at)})

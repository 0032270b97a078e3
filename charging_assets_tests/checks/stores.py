"""A lake and a warehouse with an hour in which every rule holds, and ways to damage them."""

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
from charging_assets_tests.checks.rule_evaluation import evaluate_rules
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR

BY_NAME = {rule.name: rule for rule in RULES}
MINUTES = (0, 10, 20, 30, 40, 50)
WEEK = 7 * 24 * 60
# Half an hour after the end of the hour, when it must be loaded.
NOW = HOUR.end + timedelta(minutes=30)

# The configuration of the archived feed.
FEEDS = {
    "test": Feed(name="test", kind="chargecloud", base_url="https://poi.example", places=("koeln",))
}

# The stations of a response.
Stations = Sequence[Mapping[str, Any]]


def evse(uid: str = "e1", status: str | None = "AVAILABLE", **fields: Any) -> dict[str, Any]:
    """An EVSE for which every rule passes."""
    return hours.evse(uid, status, **{"id": f"DE*TST*E{uid}*001", **fields})


def station(
    evses: Sequence[dict[str, Any]] | None = None, station_id: str = "s1", **fields: Any
) -> dict[str, Any]:
    """A station for which every rule passes."""
    return hours.station([evse()] if evses is None else evses, station_id, **fields)


def network(status: str = "AVAILABLE") -> list[dict[str, Any]]:
    """Two stations with three EVSEs; `status` is that of the first EVSE."""
    return [
        station([evse("e1", status), evse("e2")]),
        station([evse("e3")], "s2", opening_times=_BY_DAY),
    ]


_BY_DAY = {
    "twentyfourseven": False,
    "regular_hours": [{"weekday": 1, "period_begin": "08:00", "period_end": "20:00"}],
}


def flat_lake(
    stations: Stations | Mapping[str, Any] | None, minutes: Sequence[float] = MINUTES
) -> Lake:
    """A lake with flat files of an hour in which every poll has the same response."""
    lake = MemoryLake()
    for minute in minutes:
        hours.put(lake, minute, stations)
    hours.flat_files(lake)
    return lake


@dataclass
class Stores:
    """A lake in memory, and a DuckDB warehouse in the file `path`."""

    lake: MemoryLake
    path: Path

    @property
    def warehouse(self) -> DuckDBWarehouse:
        return DuckDBWarehouse(self.path)

    def copy(self, path: Path) -> Stores:
        """A copy that a test may damage."""
        shutil.copy(self.path, path)
        lake = MemoryLake()
        lake.objects.update(self.lake.objects)
        return Stores(lake, path)

    def execute(self, *statements: str) -> Stores:
        """Run SQL statements on the warehouse, usually damage; return self."""
        self.warehouse.execute(*((statement, {}) for statement in statements))
        return self

    def find(
        self, name: str, now: datetime = NOW, feeds: Mapping[str, Feed] | None = None
    ) -> Finding:
        return find(name, self.lake, self.warehouse, now, feeds)


def load_clean_stores(path: Path) -> Stores:
    """Load an hour with a charging session, and the same hour in each of the two weeks before."""
    stores, warehouse = Stores(MemoryLake(), path), DuckDBWarehouse(path)
    for weeks in (2, 1, 0):
        for minute in MINUTES:
            status = "CHARGING" if minute in (10, 20) else "AVAILABLE"
            hours.put(stores.lake, minute - weeks * WEEK, network(status))
        tables = ("",) if weeks == 0 else ("fact_poll",)
        hours.load(warehouse, stores.lake, hours.hour_after(-weeks * 7 * 24), tables)
    publish(stores.lake, warehouse, HOUR)
    return stores


def find(
    name: str,
    lake: Lake,
    warehouse: Warehouse | None = None,
    now: datetime = NOW,
    feeds: Mapping[str, Feed] | None = None,
) -> Finding:
    """The finding of a rule for the hour."""
    (finding,) = evaluate_rules(
        [BY_NAME[name]], HOUR, lake, warehouse or DuckDBWarehouse(None), now, feeds or FEEDS
    )
    return finding


def sample_text(finding: Finding) -> str:
    """The sample rows of a finding as one text."""
    return " ".join(str(dict(row)) for row in finding.sample)


def poll_at(lake: Lake, minute: float, at: str) -> None:
    """Archive a poll in which the clock of the source shows `at`."""
    builders.archived(lake, builders.poll(minute), {"koeln": builders.envelope(*network(), at=at)})

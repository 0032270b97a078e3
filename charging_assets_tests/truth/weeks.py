"""Simulated weeks, brought into a warehouse without Dagster.

Belongs here: simulating, flattening and loading, hour by hour. Does not belong here: the score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from multiprocessing import get_context

from charging_assets.modelling.hour_plans import derived_plans
from charging_assets.modelling.staging import prune, staging_plan
from charging_assets.partitions import Hour
from charging_assets.simulator import Network
from charging_assets.simulator.demand import Demand
from charging_assets.simulator.history import Polling, write_history
from charging_assets.simulator.life import Life
from charging_assets.simulator.truth import Truth
from charging_assets.storage.memory import MemoryLake
from charging_assets.storage.warehouse_duckdb import DuckDBWarehouse
from charging_assets_tests.modelling import hours

START = Hour.parse("2025-03-20T00")  # with a change of summer time in it
# As many of each power class, so that a small network says enough of each.
MIX = {"ac": 0.5, "dc": 0.25, "hpc": 0.25}


@dataclass(frozen=True)
class Weeks:
    """A network, polled with all that can go wrong; `dwell_min` None is the network's own demand.

    `gaps` are hours in which nothing was polled: how many after the first one, and how many.
    Stations are not replaced by others with new ids: the truth does not say since when those exist.
    """

    days: int
    scale: float
    seed: int
    dwell_min: float | None = None
    gaps: tuple[tuple[int, int], ...] = ()

    @property
    def hours(self) -> list[Hour]:
        return [Hour(START.start + timedelta(hours=n)) for n in range(24 * self.days)]

    @property
    def gap_spans(self) -> list[tuple[datetime, datetime]]:
        """The gaps as times."""
        at = [(START.start + timedelta(hours=first), count) for first, count in self.gaps]
        return [(start, start + timedelta(hours=count)) for start, count in at]

    def network(self) -> Network:
        return _network(self)

    def truth(self) -> Truth:
        end: datetime = self.hours[-1].end
        return self.network().truth(START.start, end)


@cache
def _network(weeks: Weeks) -> Network:
    demand = Demand()
    if weeks.dwell_min:
        dwell = dict.fromkeys(demand.mean_dwell_min, weeks.dwell_min)
        demand = Demand(mean_dwell_min=dwell)
    return Network(
        weeks.seed,
        weeks.scale,
        demand=demand,
        life=Life(replacements=0.0),
        hostile=True,
        overrides=0.3,
        mix=MIX,
    )


def _flattened(asked: tuple[Weeks, Hour]) -> tuple[Hour, dict[str, bytes]]:
    weeks, hour = asked
    polling = Polling(jitter_s=60.0, spread_s=20.0, missed=0.02, failed=0.005)
    lake = MemoryLake()
    if not any(start <= hour.start < end for start, end in weeks.gap_spans):
        write_history(lake, weeks.network(), hour, Hour.of(hour.end), polling=polling)
    files = hours.flat_files(lake, hour) if lake.objects else []
    return hour, {key: body for key, body in lake.objects.items() if files}


def _lakes(weeks: Weeks) -> Iterator[tuple[Hour, MemoryLake]]:
    with get_context("spawn").Pool(2) as pool:
        asked = [(weeks, hour) for hour in weeks.hours]
        for hour, objects in pool.imap(_flattened, asked, chunksize=6):
            lake = MemoryLake()
            lake.objects.update(objects)
            yield hour, lake


def loaded(weeks: Weeks, progress: Callable[[int], None] | None = None) -> DuckDBWarehouse:
    """The weeks in a warehouse in memory; staging is pruned as it goes."""
    from charging_assets.schemas.flat import FLAT_TABLES
    from charging_assets.storage.flat_files import open_flat

    warehouse = DuckDBWarehouse(None)
    for number, (hour, lake) in enumerate(_lakes(weeks), start=1):
        if lake.objects:
            files = [open_flat(lake, table, hour) for table in FLAT_TABLES]
            warehouse.apply_all([staging_plan(hour, files), *derived_plans(hour)])
            prune(warehouse, hour)
        if progress:
            progress(number)
    return warehouse

"""Simulated weeks, brought into a warehouse in memory.

Belongs here: simulating, and loading a warehouse from raw objects alone. Does not belong here:
the score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from charging_assets.partitions import Hour
from charging_assets.simulator import Network
from charging_assets.simulator.demand import Demand
from charging_assets.simulator.history import Polling, write_history
from charging_assets.simulator.life import Life
from charging_assets.simulator.truth import Truth
from charging_assets.storage.lake import LocalLake
from charging_assets.storage.warehouse_duckdb import DuckDBWarehouse
from charging_assets_tests.loading import errors_of, load_stale

START = Hour.parse("2025-03-20T00")  # with a change of summer time in it
# The largest places alone, and half of their EVSEs direct current, so that few polls say enough of
# each power class.
PLACES = ("koeln", "dortmund", "calw", "bonn")
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
        places=PLACES,
    )


def _simulated(asked: tuple[Weeks, Hour, Path]) -> Hour:
    weeks, hour, folder = asked
    polling = Polling(jitter_s=60.0, spread_s=20.0, missed=0.02, failed=0.005)
    if not any(start <= hour.start < end for start, end in weeks.gap_spans):
        lake = LocalLake(folder)
        write_history(lake, weeks.network(), hour, Hour.of(hour.end), polling=polling)
    return hour


def loaded(
    weeks: Weeks,
    folder: Path,
    progress: Callable[[str], None] = lambda told: None,
    workers: int = 2,
    path: Path | None = None,
) -> DuckDBWarehouse:
    """The weeks in a warehouse, by way of raw objects in a folder and a rebuild.

    The warehouse is in the file `path`, or in memory.
    """
    asked = [(weeks, hour, folder) for hour in weeks.hours]
    if workers:
        with get_context("spawn").Pool(workers) as pool:
            for number, _ in enumerate(pool.imap(_simulated, asked, chunksize=12), start=1):
                if number % 24 == 0:
                    progress(f"{number}/{len(asked)} hours simulated")
    else:
        for each in asked:
            _simulated(each)
    lake, warehouse = LocalLake(folder), DuckDBWarehouse(path)

    def report(asset: str, hours: Sequence[Hour], seconds: float) -> None:
        if len(hours) > 1 or hours[0].start.hour == 0:
            progress(f"{asset} {hours[-1]} {seconds:.1f} s")

    if errors := errors_of(load_stale(lake, warehouse, progress=report, workers=workers)):
        raise AssertionError(f"hours failed: {errors}")
    return warehouse

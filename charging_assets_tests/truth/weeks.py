"""Simulates weeks, and loads them from raw objects into an in-memory warehouse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from charging_assets.archive.raw_objects import encode
from charging_assets.hours import Hour
from charging_assets.lake.store import LocalLake
from charging_assets.simulator import Network
from charging_assets.simulator.demand import Demand
from charging_assets.simulator.history import Polling, poll_at, write_history
from charging_assets.simulator.life import Life
from charging_assets.simulator.truth import Truth
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.stale_loads import errors_of, load_stale
from charging_assets_tests.truth.gap_plan import SLOT, GapPlan, plan_gaps

START = Hour.parse("2025-03-20T00")  # with a change of summer time in it
# The largest places alone, and half of their EVSEs direct current, so that few polls say enough of
# each power class.
PLACES = ("koeln", "dortmund", "calw", "bonn")
MIX = {"ac": 0.5, "dc": 0.25, "hpc": 0.25}
POLLING = Polling(jitter_s=60.0, spread_s=20.0, missed=0.02, failed=0.005)
# Of weeks whose gaps are planned, nothing else is missing.
WHOLE_POLLING = replace(POLLING, missed=0.0, failed=0.0)


@dataclass(frozen=True)
class Weeks:
    """A network, polled with all that can go wrong; `dwell_min` None is the network's own demand.

    `gaps` are hours in which nothing was polled: how many after the first one, and how many.
    Stations are not replaced by others with new ids: the truth does not say since when those exist.
    With `has_gap_plan` polls are missing as in `gap_plan`, and there are no hostile records, which
    pages would count.
    """

    days: int
    scale: float
    seed: int
    dwell_min: float | None = None
    gaps: tuple[tuple[int, int], ...] = ()
    has_gap_plan: bool = False

    @property
    def hours(self) -> list[Hour]:
        return [Hour(START.start + timedelta(hours=n)) for n in range(24 * self.days)]

    @property
    def gap_spans(self) -> list[tuple[datetime, datetime]]:
        """The gaps as times."""
        at = [(START.start + timedelta(hours=first), count) for first, count in self.gaps]
        return [(start, start + timedelta(hours=count)) for start, count in at]

    def gap_plan(self) -> GapPlan:
        return _gap_plan(self)

    def poll_times(self) -> dict[str, list[datetime]]:
        """When each place would answer if no poll was missing."""
        times: dict[str, list[datetime]] = {slug: [] for slug in PLACES}
        slot = START.start
        while slot < self.hours[-1].end:
            # Failing answers come at the same times as good ones, and are made in no time.
            poll = poll_at(self.network(), slot, replace(WHOLE_POLLING, failed=1.0))
            assert poll is not None
            for place in poll[1]:
                assert place.requested_at is not None
                at = place.requested_at + timedelta(milliseconds=place.elapsed_ms or 0)
                times[place.slug].append(at)
            slot += SLOT
        return times

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
        hostile=not weeks.has_gap_plan,
        overrides=0.3,
        mix=MIX,
        places=PLACES,
    )


@cache
def _gap_plan(weeks: Weeks) -> GapPlan:
    return plan_gaps(weeks.seed, START.start, weeks.days, PLACES)


def _simulated(jobs: tuple[Weeks, Hour, Path]) -> Hour:
    weeks, hour, folder = jobs
    if weeks.has_gap_plan:
        _poll_with_gaps(weeks, hour, LocalLake(folder))
    elif not any(start <= hour.start < end for start, end in weeks.gap_spans):
        lake = LocalLake(folder)
        write_history(lake, weeks.network(), hour, Hour.of(hour.end), polling=POLLING)
    return hour


def _poll_with_gaps(weeks: Weeks, hour: Hour, lake: LocalLake) -> None:
    plan, network = weeks.gap_plan(), weeks.network()
    slot = hour.start
    while slot < hour.end:
        if slot not in plan.missed:
            good = poll_at(network, slot, WHOLE_POLLING)
            failed = poll_at(network, slot, replace(WHOLE_POLLING, failed=1.0))
            assert good is not None
            assert failed is not None
            places = [
                failure if (answer.slug, slot) in plan.failed else answer
                for answer, failure in zip(good[1], failed[1], strict=True)
            ]
            lake.put_new(*encode(good[0], places))
        slot += SLOT


def loaded(
    weeks: Weeks,
    folder: Path,
    progress: Callable[[str], None] = lambda message: None,
    workers: int = 2,
    path: Path | None = None,
) -> DuckDBWarehouse:
    """The weeks in a warehouse, by way of raw objects in a folder and a rebuild.

    The warehouse is in the file `path`, or in memory.
    """
    jobs = [(weeks, hour, folder) for hour in weeks.hours]
    if workers:
        with get_context("spawn").Pool(workers) as pool:
            for number, _ in enumerate(pool.imap(_simulated, jobs, chunksize=12), start=1):
                if number % 24 == 0:
                    progress(f"{number}/{len(jobs)} hours simulated")
    else:
        for each in jobs:
            _simulated(each)
    lake, warehouse = LocalLake(folder), DuckDBWarehouse(path)

    def report(asset: str, hours: Sequence[Hour], seconds: float) -> None:
        if len(hours) > 1 or hours[0].start.hour == 0:
            progress(f"{asset} {hours[-1]} {seconds:.1f} s")

    if errors := errors_of(load_stale(lake, warehouse, progress=report, workers=workers)):
        raise AssertionError(f"hours failed: {errors}")
    return warehouse

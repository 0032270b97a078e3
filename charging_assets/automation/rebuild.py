"""Rebuilding: stale hours in large numbers, month by month, in set-based windows.

Belongs here: cutting stale hours into windows and bringing each from raw objects to published
files. Does not belong here: what is stale (`pending`), how hours are flattened (`flattening`), or
which SQL runs (`modelling`).

What comes out is what loading hour by hour gives; what differs is that one statement works on a
month. Every step is a transaction with its ledger rows: a rebuild that was cut off goes on where
it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby

from charging_assets.automation.flattening import Flattened, flattened_hours
from charging_assets.automation.pending import Staleness, staleness
from charging_assets.modelling.hour_plans import derived_plans
from charging_assets.modelling.staging import ASSET as STAGED
from charging_assets.modelling.staging import KEPT, prune, staging_span_plan
from charging_assets.partitions import FIRST_HOUR, ONE_HOUR, Hour, Span
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.storage.flat_files import open_flat
from charging_assets.storage.lake import Lake
from charging_assets.storage.plan import LoadError, Plan
from charging_assets.storage.publish import publish
from charging_assets.storage.warehouse import Warehouse

FLATTENED, PUBLISHED = "flat_tables", "published_tables"
# So many rows of flat_status are worked on at once: a month of 2,428 EVSEs, half a day of a
# hundred times as many.
ROWS_A_WINDOW = 12_000_000
_ANY_HOUR = Hour(FIRST_HOUR)


@dataclass(frozen=True)
class Done:
    """A step that is done: which asset, for which hours, how long it took, and whether in vain."""

    asset: str
    hours: tuple[Hour, ...]
    seconds: float
    failed: bool = False


@dataclass
class Rebuilt:
    """What came of a rebuild: hours by asset, seconds by asset, and what failed, by hour."""

    hours: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failed: dict[Hour, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """What a rebuild is to do: the hours to bring into staging, and those stale, by asset."""

    to_stage: frozenset[Hour]
    stale: dict[str, frozenset[Hour]]
    state: Staleness

    @property
    def hours(self) -> list[Hour]:
        return sorted(self.to_stage.union(*self.stale.values()))

    @property
    def steps(self) -> int:
        """How many hours there are to do, each counted for every asset."""
        return 2 * len(self.to_stage) + sum(map(len, self.stale.values())) + len(self.hours)


def work(
    lake: Lake,
    warehouse: Warehouse,
    first: Hour | None = None,
    last: Hour | None = None,
    *,
    everything: bool = False,
) -> Work:
    """The stale hours of a range, by asset; with `everything`, all that are archived."""
    state = staleness(lake, warehouse)
    wanted = {
        hour for hour in state.known if (not first or hour >= first) and (not last or hour <= last)
    }
    stale = {
        asset: frozenset(wanted if everything else wanted.intersection(hours))
        for asset, hours in state.stale.items()
        if asset != STAGED
    }
    from_staging = {plan.asset for plan in derived_plans(_ANY_HOUR) if plan.input_from == STAGED}
    need = set[Hour]().union(*(stale[asset] for asset in from_staging))
    restage = wanted if everything else wanted.intersection(state.stale[STAGED])
    return Work(frozenset(restage | (need - state.staged)), stale, state)


def rebuild(
    lake: Lake,
    warehouse: Warehouse,
    asked: Work,
    told: Callable[[Done], None],
    *,
    workers: int = 0,
    rows_a_window: int = ROWS_A_WINDOW,
) -> Rebuilt:
    """Do the work, oldest month first. What fails is left stale, the rest goes on.

    `workers` processes flatten hours ahead; with none it is done in between.
    """
    builder = _Builder(lake, warehouse, asked, told)
    keys = {hour: asked.state.known[hour] for hour in sorted(asked.to_stage)}
    with flattened_hours(lake, keys, workers) as flattened:
        for window in _windows(asked, flattened, rows_a_window):
            builder.build(window)
    return builder.rebuilt


@dataclass(frozen=True)
class _Window:
    """Hours of a month that are worked on together, and how those to be staged were flattened."""

    hours: tuple[Hour, ...]
    flattened: tuple[Flattened, ...]


def _windows(asked: Work, flattened: Iterator[Flattened], rows_a_window: int) -> Iterator[_Window]:
    for _, of_month in groupby(asked.hours, key=lambda hour: (hour.start.year, hour.start.month)):
        hours, files, rows = list[Hour](), list[Flattened](), 0
        for hour in of_month:
            if hour in asked.to_stage:
                files.append(next(flattened))
                rows += files[-1].status_rows
            else:
                rows += asked.state.status_rows.get(hour, 0)
            hours.append(hour)
            if rows >= rows_a_window:
                yield _Window(tuple(hours), tuple(files))
                hours, files, rows = [], [], 0
        if hours:
            yield _Window(tuple(hours), tuple(files))


@dataclass
class _Builder:
    lake: Lake
    warehouse: Warehouse
    asked: Work
    told: Callable[[Done], None]
    rebuilt: Rebuilt = field(default_factory=Rebuilt)

    def build(self, window: _Window) -> None:
        """Bring a window from flat files to published ones."""
        for found in window.flattened:
            if found.error is not None:
                self.rebuilt.failed[found.hour] = found.error
            self._done(FLATTENED, [found.hour], found.seconds)
        self._stage(window)
        for asset, stale in self.asked.stale.items():
            for span in self._spans(stale.intersection(window.hours)):
                self._apply(_plans(span)[asset])
        self._prune(window)
        began = time.monotonic()
        publish(self.lake, self.warehouse, *window.hours)
        self._done(PUBLISHED, self._sound(window.hours), time.monotonic() - began)

    def _stage(self, window: _Window) -> None:
        """Day by day, since the rows of a transaction's flat files are in memory together."""
        hours = self._sound(found.hour for found in window.flattened)
        for _, of_day in groupby(hours, key=lambda hour: hour.start.date()):
            files = {
                hour: [open_flat(self.lake, table, hour) for table in FLAT_TABLES]
                for hour in of_day
            }
            for span in self._spans(files):
                self._apply(staging_span_plan({hour: files[hour] for hour in span.hours}))

    def _prune(self, window: _Window) -> None:
        """Take out of staging what was brought there only for this, and is too old to stay."""
        newest = max(self.asked.state.known)
        old = [
            found.hour
            for found in window.flattened
            if found.hour.end <= newest.end - KEPT and found.hour not in self.asked.state.staged
        ]
        for span in self._spans(self._sound(old)):
            prune(self.warehouse, span)

    def _apply(self, plan: Plan) -> None:
        began = time.monotonic()
        try:
            self.warehouse.apply(plan)
        except LoadError as error:
            self.rebuilt.failed.update(dict.fromkeys(plan.hour.hours, str(error)))
        self._done(plan.asset, plan.hour.hours, time.monotonic() - began)

    def _done(self, asset: str, hours: Sequence[Hour], seconds: float) -> None:
        rebuilt = self.rebuilt
        rebuilt.hours[asset] = rebuilt.hours.get(asset, 0) + len(hours)
        rebuilt.seconds[asset] = rebuilt.seconds.get(asset, 0.0) + seconds
        failed = any(hour in rebuilt.failed for hour in hours)
        self.told(Done(asset, tuple(hours), seconds, failed))

    def _sound(self, hours: Iterable[Hour]) -> list[Hour]:
        return [hour for hour in sorted(hours) if hour not in self.rebuilt.failed]

    def _spans(self, hours: Iterable[Hour]) -> Iterator[Hour | Span]:
        """Hours as spans without any other hour in between that has polls, or rows."""
        span: list[Hour] = []
        for hour in self._sound(hours):
            if span and any(map(self._is_something, _between(span[-1], hour))):
                yield _spanned(span)
                span = []
            span.append(hour)
        if span:
            yield _spanned(span)

    def _is_something(self, hour: Hour) -> bool:
        state = self.asked.state
        return hour in state.known or hour in state.loaded


def _spanned(hours: Sequence[Hour]) -> Hour | Span:
    return hours[0] if len(hours) == 1 else Span(tuple(hours))


def _between(one: Hour, other: Hour) -> Iterator[Hour]:
    at = one.end
    while at < other.start:
        yield Hour(at)
        at += ONE_HOUR


@lru_cache(maxsize=2)
def _plans(hour: Hour | Span) -> dict[str, Plan]:
    return {plan.asset: plan for plan in derived_plans(hour)}

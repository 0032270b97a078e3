"""Changes of stations over the years: renamed, replaced, absent. Outages are in `spells`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from charging_assets.simulator import spells
from charging_assets.simulator.instants import DAY, FAR, HOUR, MINUTE, YEAR, year_of, year_start
from charging_assets.simulator.randomness import Bools, Ints, KeyedRandom
from charging_assets.simulator.spells import Cause, Spells
from charging_assets.simulator.topology import PlaceTopology

_FIRST_YEAR = 2021
_LEAST_GAP, _MOST_GAP = 2 * DAY, 20 * DAY
_ABSENCE = (Cause(1, 1.0, 8 * DAY, 30 * HOUR),)
_DROPOUT = (Cause(1, 1.0, 50 * MINUTE, 10 * MINUTE),)
_SWAP = (Cause(1, 1.0, 20 * HOUR, 10 * MINUTE),)
_WITHDRAWAL = (Cause(1, 1.0, 12 * DAY, 1 * HOUR),)


@dataclass(frozen=True)
class Life:
    """Rates per year; of stations unless the name states otherwise.

    A *replacement* removes a station for some days and adds one with new ids at its location. An
    *absence* of days and a *dropout* of minutes change nothing else. A *relabelling* gives an EVSE
    a new EVSE-ID; its uid stays. A *swap* changes the order of an EVSE's two connectors for some
    hours; a *withdrawal* removes RESERVABLE from an EVSE for some days.
    """

    renames: float = 0.04
    replacements: float = 0.015
    absences: float = 0.15
    dropouts: float = 0.6
    relabels_per_evse: float = 0.02
    swaps_per_evse: float = 130.0
    withdrawals_per_evse: float = 0.5

    def __post_init__(self) -> None:
        for name in ("renames", "replacements", "relabels_per_evse"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a rate between 0 and 1 a year")

    @classmethod
    def still(cls) -> Life:
        """No changes."""
        return cls(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


class PlaceLife:
    """The changes of one place. At `whole_at` every station is published."""

    def __init__(self, seed: int, life: Life, place: PlaceTopology, whole_at: int) -> None:
        self._life, self._place, self._whole_at = life, place, whole_at
        self._two_connector_rows = np.flatnonzero(np.diff(place.first_connector) == 2)
        names = (
            "renames", "replacements", "gaps", "absences", "dropouts",
            "relabels", "swaps", "withdrawals",
        )  # fmt: skip
        self._rng = {name: KeyedRandom(seed, name) for name in names}

    def names(self, second: int) -> Ints:
        """How often each station has been renamed."""
        rate = self._life.renames
        return _count_until(
            lambda year: self._yearly("renames", self._place.station, rate, year), second
        )

    def labels(self, second: int) -> Ints:
        """How often each EVSE has been relabelled."""
        rate = self._life.relabels_per_evse
        return _count_until(
            lambda year: self._yearly("relabels", self._place.evse, rate, year), second
        )

    def generations(self, second: int) -> Ints:
        """How often each station has been replaced."""
        return _count_until(lambda year: self._replacements(year)[1], second)

    def generations_at(self, rows: Ints, times: Ints) -> Ints:
        """How often stations (by row) have been replaced, each until its own time."""
        last = year_of(int(times.max())) if times.size else _FIRST_YEAR
        opens = [self._replacements(year)[1] for year in range(_FIRST_YEAR, last + 1)]
        return _sum([times_of_year[rows] <= times for times_of_year in opens])

    def absences(self, start: int, end: int) -> Spells:
        """The times at which stations are not published and that overlap a window."""
        stations = self._place.station
        drawn = [
            spells.draw(self._rng[name], stations, rate, causes, start, end)
            for name, rate, causes in (
                ("absences", self._life.absences, _ABSENCE),
                ("dropouts", self._life.dropouts, _DROPOUT),
            )
        ]
        valid = [part.select(~self._covers_whole_at(part.start, part.end)) for part in drawn]
        gaps = [self._gaps(year) for year in range(year_of(start), year_of(end + _MOST_GAP) + 1)]
        return spells.union(*valid, *(gap.overlapping(start, end) for gap in gaps), code=1)

    def swaps(self, start: int, end: int) -> Spells:
        """The times at which EVSEs publish their second connector first."""
        numbers = self._place.evse[self._two_connector_rows]
        rate = self._life.swaps_per_evse
        swaps = spells.draw(self._rng["swaps"], numbers, rate, _SWAP, start, end)
        return Spells(self._two_connector_rows[swaps.row], swaps.start, swaps.end, swaps.code)

    def withdrawals(self, start: int, end: int) -> Spells:
        """The times at which reservable EVSEs cannot be reserved."""
        rate = self._life.withdrawals_per_evse
        rng = self._rng["withdrawals"]
        return spells.draw(rng, self._place.evse, rate, _WITHDRAWAL, start, end)

    def changes(self, start: int, end: int) -> list[int]:
        """The seconds within a window at which a description changes; sorted."""
        parts = [self.absences(start, end), self.swaps(start, end), self.withdrawals(start, end)]
        changes = [times for part in parts for times in (part.start, part.end)]
        for year in range(year_of(start), year_of(end) + 1):
            changes += [
                self._yearly("renames", self._place.station, self._life.renames, year),
                self._yearly("relabels", self._place.evse, self._life.relabels_per_evse, year),
                self._replacements(year)[1],
            ]
        times = np.unique(np.concatenate(changes))
        return [int(time) for time in times[(times > start) & (times < end)]]

    def _yearly(self, name: str, numbers: Ints, rate: float, year: int) -> Ints:
        """The second of the event for each in a year: once or never (`FAR`)."""
        rng = self._rng[name]
        at = year_start(year) + (rng.uniform(numbers, year, 1) * YEAR).astype(np.int64)
        return np.where(rng.uniform(numbers, year, 0) < rate, at, FAR)

    def _replacements(self, year: int) -> tuple[Ints, Ints]:
        """For each station, when it closes and when its successor opens."""
        stations = self._place.station
        opens = self._yearly("replacements", stations, self._life.replacements, year)
        share = self._rng["gaps"].uniform(stations, year)
        closes = opens - (_LEAST_GAP + share * (_MOST_GAP - _LEAST_GAP)).astype(np.int64)
        cancelled = self._covers_whole_at(closes, opens)
        return np.where(cancelled, FAR, closes), np.where(cancelled, FAR, opens)

    def _gaps(self, year: int) -> Spells:
        closes, opens = self._replacements(year)
        rows = np.flatnonzero(opens < FAR)
        return Spells(rows, closes[rows], opens[rows], np.ones_like(rows))

    def _covers_whole_at(self, start: Ints, end: Ints) -> Bools:
        return (start <= self._whole_at) & (self._whole_at < end)


def _count_until(yearly: Callable[[int], Ints], second: int) -> Ints:
    """Number of events of each since the first year."""
    years = [yearly(year) <= second for year in range(_FIRST_YEAR, year_of(second) + 1)]
    return _sum(years)


def _sum(hits: list[Bools]) -> Ints:
    total: Ints = np.sum(hits, axis=0, dtype=np.int64)
    return total

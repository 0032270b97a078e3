"""What becomes of stations over the years: they are renamed, replaced, away for a while.

Belongs here: how often, and when. Does not belong here: outages of EVSEs (`spells`), and what a
new name looks like (`descriptions`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from charging_assets.simulator import spells
from charging_assets.simulator.instants import DAY, FAR, HOUR, MINUTE, YEAR, year_of, year_start
from charging_assets.simulator.randomness import Bools, Dice, Ints
from charging_assets.simulator.spells import Cause, Spells
from charging_assets.simulator.topology import PlaceTopology

_FIRST_YEAR = 2021
_LEAST_GAP, _MOST_GAP = 2 * DAY, 20 * DAY
_ABSENT = (Cause(1, 1.0, 8 * DAY, 30 * HOUR),)
_DROPPED_OUT = (Cause(1, 1.0, 50 * MINUTE, 10 * MINUTE),)
_SWAPPED = (Cause(1, 1.0, 20 * HOUR, 10 * MINUTE),)
_WITHDRAWN = (Cause(1, 1.0, 12 * DAY, 1 * HOUR),)


@dataclass(frozen=True)
class Life:
    """Rates per year; of stations unless said otherwise.

    A *replacement* takes a station away for some days and brings one with new ids to its lot. An
    *absence* of days and a *dropout* of minutes leave everything as it was. A *relabelling* gives
    an EVSE a new EVSE-ID, its uid stays. A *swap* changes the order of an EVSE's two connectors
    for some hours; a *withdrawal* takes RESERVABLE from an EVSE for some days.
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
        """Nothing ever changes."""
        return cls(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


class PlaceLife:
    """The life of one place. At `whole_at` every station is there, by decree."""

    def __init__(self, seed: int, life: Life, place: PlaceTopology, whole_at: int) -> None:
        self._life, self._place, self._whole_at = life, place, whole_at
        self._two = np.flatnonzero(np.diff(place.first_connector) == 2)
        names = (
            "renames", "replacements", "gaps", "absences", "dropouts",
            "relabels", "swaps", "withdrawals",
        )  # fmt: skip
        self._dice = {name: Dice(seed, name) for name in names}

    def names(self, second: int) -> Ints:
        """How often each station has been renamed."""
        rate = self._life.renames
        return _so_far(
            lambda year: self._yearly("renames", self._place.station, rate, year), second
        )

    def labels(self, second: int) -> Ints:
        """How often each EVSE has been relabelled."""
        rate = self._life.relabels_per_evse
        return _so_far(lambda year: self._yearly("relabels", self._place.evse, rate, year), second)

    def generations(self, second: int) -> Ints:
        """How often each station has been replaced."""
        return _so_far(lambda year: self._replacements(year)[1], second)

    def generations_at(self, rows: Ints, times: Ints) -> Ints:
        """How often stations (by row) have been replaced, each at a time of its own."""
        last = year_of(int(times.max())) if times.size else _FIRST_YEAR
        opens = [self._replacements(year)[1] for year in range(_FIRST_YEAR, last + 1)]
        return _counted([each[rows] <= times for each in opens])

    def away(self, start: int, end: int) -> Spells:
        """When stations are not published at all, of those times that touch a window."""
        stations = self._place.station
        drawn = [
            spells.draw(self._dice[name], stations, rate, causes, start, end)
            for name, rate, causes in (
                ("absences", self._life.absences, _ABSENT),
                ("dropouts", self._life.dropouts, _DROPPED_OUT),
            )
        ]
        kept = [part.only(~self._spoils_start(part.start, part.end)) for part in drawn]
        gaps = [self._gaps(year) for year in range(year_of(start), year_of(end + _MOST_GAP) + 1)]
        return spells.united(*kept, *(gap.within(start, end) for gap in gaps), code=1)

    def swapped(self, start: int, end: int) -> Spells:
        """When EVSEs show their second connector first."""
        numbers = self._place.evse[self._two]
        rate = self._life.swaps_per_evse
        found = spells.draw(self._dice["swaps"], numbers, rate, _SWAPPED, start, end)
        return Spells(self._two[found.row], found.start, found.end, found.code)

    def withdrawn(self, start: int, end: int) -> Spells:
        """When EVSEs that can be reserved cannot."""
        rate = self._life.withdrawals_per_evse
        dice = self._dice["withdrawals"]
        return spells.draw(dice, self._place.evse, rate, _WITHDRAWN, start, end)

    def changes(self, start: int, end: int) -> list[int]:
        """The seconds within a window at which a description changes; sorted."""
        parts = [self.away(start, end), self.swapped(start, end), self.withdrawn(start, end)]
        found = [times for part in parts for times in (part.start, part.end)]
        for year in range(year_of(start), year_of(end) + 1):
            found += [
                self._yearly("renames", self._place.station, self._life.renames, year),
                self._yearly("relabels", self._place.evse, self._life.relabels_per_evse, year),
                self._replacements(year)[1],
            ]
        times = np.unique(np.concatenate(found))
        return [int(time) for time in times[(times > start) & (times < end)]]

    def _yearly(self, name: str, numbers: Ints, rate: float, year: int) -> Ints:
        """When it happens to each in a year: once, or not at all."""
        dice = self._dice[name]
        at = year_start(year) + (dice.uniform(numbers, year, 1) * YEAR).astype(np.int64)
        return np.where(dice.uniform(numbers, year, 0) < rate, at, FAR)

    def _replacements(self, year: int) -> tuple[Ints, Ints]:
        """For each station, since when it is away and when its successor opens."""
        stations = self._place.station
        opens = self._yearly("replacements", stations, self._life.replacements, year)
        share = self._dice["gaps"].uniform(stations, year)
        closes = opens - (_LEAST_GAP + share * (_MOST_GAP - _LEAST_GAP)).astype(np.int64)
        cancelled = self._spoils_start(closes, opens)
        return np.where(cancelled, FAR, closes), np.where(cancelled, FAR, opens)

    def _gaps(self, year: int) -> Spells:
        closes, opens = self._replacements(year)
        rows = np.flatnonzero(opens < FAR)
        return Spells(rows, closes[rows], opens[rows], np.ones_like(rows))

    def _spoils_start(self, start: Ints, end: Ints) -> Bools:
        return (start <= self._whole_at) & (self._whole_at < end)


def _so_far(yearly: Callable[[int], Ints], second: int) -> Ints:
    """How often it has happened to each since the first year."""
    years = [yearly(year) <= second for year in range(_FIRST_YEAR, year_of(second) + 1)]
    return _counted(years)


def _counted(hits: list[Bools]) -> Ints:
    total: Ints = np.sum(hits, axis=0, dtype=np.int64)
    return total

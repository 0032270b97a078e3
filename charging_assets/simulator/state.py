"""One place over time: demand, outages and absences laid over each other.

Belongs here: what status every EVSE of a place has at any instant, and the sessions that really
took place. Does not belong here: JSON (`answers`), and the drawing of any one of these layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from charging_assets.simulator import spells
from charging_assets.simulator.demand import Demand, Sessions, Users, draw_sessions
from charging_assets.simulator.instants import DAY
from charging_assets.simulator.life import PlaceLife
from charging_assets.simulator.randomness import Bools, Dice, Floats, Ints
from charging_assets.simulator.spells import (
    BLOCKED,
    CHARGING,
    RESERVED,
    UNKNOWN,
    Reliability,
    Spells,
    Timeline,
)
from charging_assets.simulator.topology import OUTFITS, PlaceTopology, power_class

FREE_SPOT, OCCUPIED_SPOT = 0, 1

_CLASSES = np.array([power_class(outfit) for outfit in range(len(OUTFITS))])
_KW = np.array([max(plug.power_kw for plug in plugs) for plugs, _ in OUTFITS])
_RESERVABLE_SHARE = 0.5
_SENSOR_SHARE = 0.037
# Sensors that never notice a car: in real answers a good third of charging cars go unseen.
_DEAF_SHARE = 0.35
# Sessions are drawn by weeks: the longer a stretch, the less often the same week is drawn again.
_STRETCH_S = 4 * DAY


@dataclass(frozen=True)
class Hidden:
    """When the published status of EVSEs is not what their sessions would make it."""

    away: Spells
    outages: Spells
    stuck: Spells
    flaps: Spells


class PlaceState:
    """The true and the published state of a place; a pure function of seed, settings and time."""

    def __init__(
        self,
        seed: int,
        place: PlaceTopology,
        life: PlaceLife,
        demand: Demand,
        reliability: Reliability,
        overrides: float,
    ) -> None:
        self.place, self.life = place, life
        self.power_class: Ints = _CLASSES[place.outfit]
        self.power_kw: Floats = _KW[place.outfit]
        self.is_reservable: Bools = _chosen(seed, "reservable", place.evse, _RESERVABLE_SHARE)
        self.has_sensor: Bools = _chosen(seed, "sensor", place.evse, _SENSOR_SHARE)
        self._is_deaf = _chosen(seed, "deaf", place.evse, _DEAF_SHARE)
        self._is_mute = _chosen(seed, "mute", place.evse, reliability.never_reporting)
        self._demand, self._reliability = demand, reliability
        self._users = Users(place.evse, self.power_class, self.power_kw, self.is_reservable)
        self._dice = {name: Dice(seed, name) for name in ("sessions", "outages", "stuck", "flaps")}
        # The connectors that stay free while the other one of their EVSE charges.
        second = np.zeros(place.connector.size, dtype=np.bool_)
        second[place.first_connector[:-1][np.diff(place.first_connector) == 2] + 1] = True
        apart = _chosen(seed, "overrides", place.evse, overrides)
        self._stays_free = second & apart[place.connector_evse]
        self._stretches: dict[int, Stretch] = {}

    def hidden(self, start: int, end: int) -> Hidden:
        """What lies over the sessions, of EVSE rows, where it touches a window."""
        numbers, rates = self.place.evse, self._reliability
        drawn = spells.draw(
            self._dice["outages"], numbers, rates.outages_per_year, spells.OUTAGES, start, end
        )
        stuck = spells.draw(
            self._dice["stuck"], numbers, rates.stuck_per_year, spells.STUCK, start, end
        )
        flaps = spells.draw(
            self._dice["flaps"], numbers, rates.flaps_per_year, spells.FLAPS, start, end
        )
        mute = spells.always(np.flatnonzero(self._is_mute), UNKNOWN)
        outages = _both(drawn.only(~self._is_mute[drawn.row]), mute)
        return Hidden(self._evses_away(start, end), outages, stuck, flaps)

    def sessions(self, start: int, end: int) -> Sessions:
        """The sessions that touch a window, whole, as they really were.

        An outage, an absence of the station and a stuck EVSE end a session and let none begin; a
        flap only hides it.
        """
        found = draw_sessions(self._dice["sessions"], self._demand, self._users, start, end)
        if not found.row.size:
            return found
        hidden = self.hidden(int(found.reserved_at.min()), int(found.free_at.max()) + 1)
        for part in (hidden.away, hidden.outages, hidden.stuck):
            found = _cut(found, part)
        return found.only((found.reserved_at < end) & (found.free_at > start))

    def statuses(self, second: int) -> tuple[Ints, Ints, Ints]:
        """Status codes of EVSEs and of connectors, and codes of parking spots, at an instant."""
        stretch = self.stretch(second)
        status = used = stretch.used.at(second)
        for layer in stretch.hidden:
            over = layer.at(second)
            status = np.where(over > 0, over, status)
        connectors = status[self.place.connector_evse]
        connectors = np.where(self._stays_free & (connectors == CHARGING), 0, connectors)
        parked = ((used == CHARGING) | (used == BLOCKED)) & ~self._is_deaf
        return status, connectors, np.where(parked, OCCUPIED_SPOT, FREE_SPOT)

    def stretch(self, second: int) -> Stretch:
        """The days around an instant, laid out once."""
        number = second // _STRETCH_S
        if number not in self._stretches:
            # Two are enough for a walk through time, in either direction.
            for old in list(self._stretches)[:-1]:
                del self._stretches[old]
            self._stretches[number] = Stretch(self, number * _STRETCH_S, (number + 1) * _STRETCH_S)
        return self._stretches[number]

    def _evses_away(self, start: int, end: int) -> Spells:
        away = self.life.away(start, end)
        sizes = np.diff(self.place.first_evse)[away.row]
        which = np.repeat(np.arange(away.row.size), sizes)
        offset = np.arange(which.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        row = self.place.first_evse[:-1][away.row][which] + offset
        return Spells.of(row, away.start[which], away.end[which], away.code[which])


class Stretch:
    """Some days of a place, ready to be asked for any second of them."""

    def __init__(self, state: PlaceState, start: int, end: int) -> None:
        self.start, self._end, self._state = start, end, state
        self._evses, life = state.place.evse.size, state.life
        self.away = Timeline(state.place.station.size, life.away(start, end))
        self.swapped = Timeline(self._evses, life.swapped(start, end))
        self.withdrawn = Timeline(self._evses, life.withdrawn(start, end))
        self.changes = life.changes(start, end)

    @cached_property
    def used(self) -> Timeline:
        """What drivers do: RESERVED, CHARGING, BLOCKED."""
        found = self._state.sessions(self.start, self._end)
        return Timeline(
            self._evses,
            _spells(found.row, found.reserved_at, found.start, RESERVED),
            _spells(found.row, found.start, found.end, CHARGING),
            _spells(found.row, found.end, found.free_at, BLOCKED),
        )

    @cached_property
    def hidden(self) -> tuple[Timeline, ...]:
        """What lies over that, the topmost last: stuck EVSEs, outages, flaps."""
        hidden = self._state.hidden(self.start, self._end)
        layers = (hidden.stuck, hidden.outages, hidden.flaps)
        return tuple(Timeline(self._evses, layer) for layer in layers)


def _spells(row: Ints, start: Ints, end: Ints, code: int) -> Spells:
    return Spells(row, start, end, np.full_like(row, code)).only(end > start)


def _both(one: Spells, other: Spells) -> Spells:
    columns = zip(vars(one).values(), vars(other).values(), strict=True)
    return Spells.of(*(np.concatenate(pair) for pair in columns))


def _chosen(seed: int, purpose: str, numbers: Ints, share: float) -> Bools:
    return Dice(seed, purpose).uniform(numbers) < share


def _cut(found: Sessions, hidden: Spells) -> Sessions:
    """Sessions without what falls into spells, which must not overlap each other in a row."""
    if not hidden.row.size or not found.row.size:
        return found
    keys = Spells(found.row, found.reserved_at, found.free_at, found.row).keys
    after = np.searchsorted(hidden.keys, keys, side="right")
    before = np.maximum(after - 1, 0)
    covered = (
        (after > 0) & (hidden.row[before] == found.row) & (hidden.end[before] > found.reserved_at)
    )
    following = np.minimum(after, hidden.row.size - 1)
    meets = (after < hidden.row.size) & (hidden.row[following] == found.row)
    stop = np.where(meets, hidden.start[following], found.free_at)
    cut = Sessions(
        found.row,
        found.reserved_at,
        found.start,
        np.minimum(found.end, stop),
        np.minimum(found.free_at, stop),
        found.need_kwh,
        found.car_kw,
        found.is_cut | (stop < found.end),
    )
    return cut.only(~covered & (cut.end > cut.start))

"""One place over time: demand, outages and absences combined into statuses and true sessions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from charging_assets.simulator import spells
from charging_assets.simulator.demand import Demand, EvseTraits, Sessions, draw_sessions
from charging_assets.simulator.instants import DAY
from charging_assets.simulator.life import PlaceLife
from charging_assets.simulator.randomness import Bools, Floats, Ints, KeyedRandom
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
# Sensors that never detect a car: real sensors miss more than a third of charging cars.
_DEAD_SENSOR_SHARE = 0.35
# Sessions are drawn by weeks: the longer a window, the less often a week is drawn again.
_WINDOW_S = 4 * DAY


@dataclass(frozen=True)
class StatusLayers:
    """The times at which the published status of EVSEs is not that of their sessions."""

    absences: Spells
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
        self.is_reservable: Bools = _draw_share(seed, "reservable", place.evse, _RESERVABLE_SHARE)
        self.has_sensor: Bools = _draw_share(seed, "sensor", place.evse, _SENSOR_SHARE)
        self._has_dead_sensor = _draw_share(seed, "deaf", place.evse, _DEAD_SENSOR_SHARE)
        self._never_reports = _draw_share(seed, "mute", place.evse, reliability.never_reporting)
        self._demand, self._reliability = demand, reliability
        self._evses = EvseTraits(place.evse, self.power_class, self.power_kw, self.is_reservable)
        self._rng = {
            name: KeyedRandom(seed, name) for name in ("sessions", "outages", "stuck", "flaps")
        }
        # Connectors that stay free while the other one of their EVSE charges.
        second = np.zeros(place.connector.size, dtype=np.bool_)
        second[place.first_connector[:-1][np.diff(place.first_connector) == 2] + 1] = True
        has_override = _draw_share(seed, "overrides", place.evse, overrides)
        self._stays_free = second & has_override[place.connector_evse]
        self._windows: dict[int, StateWindow] = {}

    def status_layers(self, start: int, end: int) -> StatusLayers:
        """The layers over the sessions, by EVSE row, that overlap a window."""
        numbers, rates = self.place.evse, self._reliability
        drawn = spells.draw(
            self._rng["outages"], numbers, rates.outages_per_year, spells.OUTAGES, start, end
        )
        stuck = spells.draw(
            self._rng["stuck"], numbers, rates.stuck_per_year, spells.STUCK, start, end
        )
        flaps = spells.draw(
            self._rng["flaps"], numbers, rates.flaps_per_year, spells.FLAPS, start, end
        )
        never_reporting = spells.unending(np.flatnonzero(self._never_reports), UNKNOWN)
        outages = _concatenate(drawn.select(~self._never_reports[drawn.row]), never_reporting)
        return StatusLayers(self._evse_absences(start, end), outages, stuck, flaps)

    def sessions(self, start: int, end: int) -> Sessions:
        """The true sessions that overlap a window, not clipped to it.

        An outage, an absence of the station and a stuck EVSE end a session and prevent new ones; a
        flap only hides it.
        """
        sessions = draw_sessions(self._rng["sessions"], self._demand, self._evses, start, end)
        if not sessions.row.size:
            return sessions
        first, last = int(sessions.reserved_at.min()), int(sessions.free_at.max()) + 1
        layers = self.status_layers(first, last)
        for layer in (layers.absences, layers.outages, layers.stuck):
            sessions = _truncate(sessions, layer)
        return sessions.select((sessions.reserved_at < end) & (sessions.free_at > start))

    def statuses(self, second: int) -> tuple[Ints, Ints, Ints]:
        """Status codes of EVSEs and of connectors, and codes of parking spots, at an instant."""
        window = self.window(second)
        status = used = window.used.at(second)
        for layer in window.layers:
            code = layer.at(second)
            status = np.where(code > 0, code, status)
        connectors = status[self.place.connector_evse]
        connectors = np.where(self._stays_free & (connectors == CHARGING), 0, connectors)
        parked = ((used == CHARGING) | (used == BLOCKED)) & ~self._has_dead_sensor
        return status, connectors, np.where(parked, OCCUPIED_SPOT, FREE_SPOT)

    def window(self, second: int) -> StateWindow:
        """The prepared window around an instant."""
        number = second // _WINDOW_S
        if number not in self._windows:
            # Two windows are enough to move through time in either direction.
            for old in list(self._windows)[:-1]:
                del self._windows[old]
            self._windows[number] = StateWindow(self, number * _WINDOW_S, (number + 1) * _WINDOW_S)
        return self._windows[number]

    def _evse_absences(self, start: int, end: int) -> Spells:
        away = self.life.absences(start, end)
        sizes = np.diff(self.place.first_evse)[away.row]
        which = np.repeat(np.arange(away.row.size), sizes)
        offset = np.arange(which.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        row = self.place.first_evse[:-1][away.row][which] + offset
        return Spells.from_unsorted(row, away.start[which], away.end[which], away.code[which])


class StateWindow:
    """Some days of a place, prepared to give the state at any second of them."""

    def __init__(self, state: PlaceState, start: int, end: int) -> None:
        self.start, self._end, self._state = start, end, state
        self._evses, life = state.place.evse.size, state.life
        self.absences = Timeline(state.place.station.size, life.absences(start, end))
        self.swaps = Timeline(self._evses, life.swaps(start, end))
        self.withdrawals = Timeline(self._evses, life.withdrawals(start, end))
        self.changes = life.changes(start, end)

    @cached_property
    def used(self) -> Timeline:
        """Statuses of sessions: RESERVED, CHARGING, BLOCKED."""
        sessions = self._state.sessions(self.start, self._end)
        return Timeline(
            self._evses,
            _spells(sessions.row, sessions.reserved_at, sessions.start, RESERVED),
            _spells(sessions.row, sessions.start, sessions.end, CHARGING),
            _spells(sessions.row, sessions.end, sessions.free_at, BLOCKED),
        )

    @cached_property
    def layers(self) -> tuple[Timeline, ...]:
        """The layers over the sessions, the topmost last: stuck EVSEs, outages, flaps."""
        layers = self._state.status_layers(self.start, self._end)
        by_priority = (layers.stuck, layers.outages, layers.flaps)
        return tuple(Timeline(self._evses, layer) for layer in by_priority)


def _spells(row: Ints, start: Ints, end: Ints, code: int) -> Spells:
    return Spells(row, start, end, np.full_like(row, code)).select(end > start)


def _concatenate(one: Spells, other: Spells) -> Spells:
    columns = zip(vars(one).values(), vars(other).values(), strict=True)
    return Spells.from_unsorted(*(np.concatenate(pair) for pair in columns))


def _draw_share(seed: int, purpose: str, numbers: Ints, share: float) -> Bools:
    return KeyedRandom(seed, purpose).uniform(numbers) < share


def _truncate(sessions: Sessions, layer: Spells) -> Sessions:
    """Sessions without the parts within spells, which must not overlap each other in a row."""
    if not layer.row.size or not sessions.row.size:
        return sessions
    keys = Spells(sessions.row, sessions.reserved_at, sessions.free_at, sessions.row).keys
    after = np.searchsorted(layer.keys, keys, side="right")
    before = np.maximum(after - 1, 0)
    covered = (
        (after > 0)
        & (layer.row[before] == sessions.row)
        & (layer.end[before] > sessions.reserved_at)
    )
    following = np.minimum(after, layer.row.size - 1)
    is_interrupted = (after < layer.row.size) & (layer.row[following] == sessions.row)
    stop = np.where(is_interrupted, layer.start[following], sessions.free_at)
    truncated = Sessions(
        sessions.row,
        sessions.reserved_at,
        sessions.start,
        np.minimum(sessions.end, stop),
        np.minimum(sessions.free_at, stop),
        sessions.need_kwh,
        sessions.car_kw,
        sessions.is_cut | (stop < sessions.end),
    )
    return truncated.select(~covered & (truncated.end > truncated.start))

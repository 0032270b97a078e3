"""Random sessions of EVSEs without outages: arrivals, dwell times and energy.

Drivers arrive at a free EVSE at random, more often at busy hours. The time of each EVSE is divided
into weeks that begin at night, when it is free. The sessions of a week depend on the week only: any
week can be drawn without the weeks before it, and no session crosses the border of two weeks.
`state` applies outages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import NamedTuple

import numpy as np

from charging_assets.simulator.instants import BERLIN, DAY, HOUR, instant, year_start
from charging_assets.simulator.randomness import (
    EXPONENTIAL,
    Bools,
    Branch,
    Floats,
    Ints,
    KeyedRandom,
    lognormal,
)
from charging_assets.simulator.spells import blocks
from charging_assets.simulator.topology import AC, POWER_CLASSES

_WEEK = 7 * DAY
_CHANGEOVER_S = 60
_LEAST_S, _MOST_S = 120, 20 * HOUR
_MIN_ARRIVALS_PER_DAY = 1e-9
# Sessions of a week that are drawn at once.
_BATCH = 16

# Relative demand by local hour of the day.
_WORKDAY = (3, 2, 2, 2, 3, 6, 17, 38, 50, 46, 42, 43, 46, 44, 44, 48, 55, 62, 60, 44, 28, 16, 9, 5)
_SATURDAY = (5, 4, 3, 2, 2, 3, 6, 13, 27, 42, 53, 56, 52, 48, 46, 44, 41, 38, 33, 26, 19, 13, 9, 6)
_SUNDAY = (6, 4, 3, 2, 2, 2, 4, 7, 14, 24, 34, 38, 37, 38, 40, 41, 39, 37, 34, 28, 20, 13, 8, 4)
_WEEK_OF_HOURS = np.array([*_WORKDAY * 5, *_SATURDAY, *_SUNDAY], dtype=np.float64)

_DWELL = lognormal(0.85)
_POPULARITY = lognormal(0.6)
_NEED = lognormal(0.55)
_NEED_KWH = np.array([19.0, 26.0, 33.0])
# Mean share of its power that an EVSE delivers over a session, by class (charging curves taper).
_TAPER = np.array([1.0, 0.72, 0.55])
# What cars take of alternating current, and up to which share of cars.
_ONBOARD_KW, _ONBOARD_SHARE = np.array([3.7, 7.4, 11.0, 22.0]), np.array([0.2, 0.42, 0.93])


def _by_class(ac: float, dc: float, hpc: float) -> Mapping[str, float]:
    return dict(zip(POWER_CLASSES, (ac, dc, hpc), strict=True))


@dataclass(frozen=True)
class Demand:
    """Use of an average EVSE of a power class ("ac", "dc", "hpc").

    `arrivals_per_day` are arrivals while it is free; `mean_dwell_min` is the mean time charging
    in minutes, before outages. Shares are of sessions: reserved before, idle (BLOCKED) after.
    """

    arrivals_per_day: Mapping[str, float] = field(default_factory=lambda: _by_class(2.0, 7.0, 13.0))
    mean_dwell_min: Mapping[str, float] = field(default_factory=lambda: _by_class(170, 35, 22))
    reserved_share: float = 0.2
    reserved_mean_min: float = 25.0
    idle_share: float = 0.12
    idle_mean_min: float = 35.0


@dataclass(frozen=True)
class Sessions:
    """Sessions of rows (a place's EVSEs), sorted by row and time; times in seconds.

    `reserved_at` ≤ `start` < `end` ≤ `free_at`; `is_cut` is True if an outage ended it.
    """

    row: Ints
    reserved_at: Ints
    start: Ints
    end: Ints
    free_at: Ints
    need_kwh: Floats
    car_kw: Floats
    is_cut: Bools

    def select(self, selection: Bools | Ints) -> Sessions:
        """The sessions by mask or by positions."""
        return Sessions(*(column[selection] for column in vars(self).values()))

    @property
    def energy_kwh(self) -> Floats:
        """Energy charged: the car's power times the duration, at most what it needs."""
        charged = np.minimum((self.end - self.start) / HOUR * self.car_kw, self.need_kwh)
        return np.asarray(np.round(charged, 3), dtype=np.float64)


class ArrivalClock:
    """A clock that runs faster in busy hours, by one day per day on average.

    It is exact at changes of summer time: it consists of UTC hours weighted by their local hour.
    """

    def __init__(self, until_year: int) -> None:
        # Floats, because np.interp would convert them in each call.
        self._seconds: Floats = np.arange(0, year_start(until_year) + 1, HOUR, dtype=np.float64)
        local = [instant(int(second)).astimezone(BERLIN) for second in self._seconds[:-1].tolist()]
        week_hours = np.array([at.weekday() * 24 + at.hour for at in local])
        weights = _WEEK_OF_HOURS[week_hours] / _WEEK_OF_HOURS.mean() / 24
        self._days = np.concatenate([[0.0], np.cumsum(weights)])

    def days(self, second: Ints) -> Floats:
        """The reading of the clock, in days, at a time."""
        days: Floats = np.interp(second, self._seconds, self._days)
        return days

    def second(self, days: Floats) -> Ints:
        """The time of a reading of the clock, in days."""
        return np.interp(days, self._days, self._seconds).astype(np.int64)


@lru_cache(maxsize=2)
def _clock(until_year: int) -> ArrivalClock:
    return ArrivalClock(until_year)


@dataclass(frozen=True)
class EvseTraits:
    """EVSEs by number, with the properties that determine their use."""

    numbers: Ints
    power_class: Ints
    power_kw: Floats
    is_reservable: Bools


class _Draws(NamedTuple):
    """Random values for rows (columns) and their next sessions (rows): s, days, kWh and kW."""

    wait_days: Floats
    ahead_s: Ints
    stay_s: Ints
    idle_s: Ints
    need_kwh: Floats
    car_kw: Floats


def draw_sessions(
    rng: KeyedRandom, demand: Demand, evses: EvseTraits, start: int, end: int
) -> Sessions:
    """The sessions that overlap `[start, end)`."""
    # Weeks extend beyond the window, so the clock must extend beyond the year.
    clock = _clock(instant(end + _WEEK).year + 1)
    numbers = evses.numbers
    night = 1 * HOUR + 2 * HOUR * rng.uniform(numbers, -1)
    phase = np.floor(rng.uniform(numbers, -2) * 7).astype(np.int64) * DAY + night.astype(np.int64)
    row, week = blocks(phase, _WEEK, start, end)
    now = phase[row] + week * _WEEK
    finish = now + _WEEK

    parts: list[list[Ints | Floats]] = []
    for first_session in count(step=_BATCH):
        draws = _draw_batch(rng, demand, evses, row, week, first_session)
        active = np.arange(row.size)
        for session in range(_BATCH):
            wait, ahead, stay, idle, energy, power = (part[session, active] for part in draws)
            arrival = clock.second(clock.days(now[active]) + wait)
            reserved_at = np.maximum(arrival, now[active] + _CHANGEOVER_S)
            started = reserved_at + ahead
            ended = np.minimum(started + stay, finish[active])
            free_at = np.minimum(ended + idle, finish[active])
            is_started = started + _LEAST_S < finish[active]
            part = [row[active], reserved_at, started, ended, free_at, energy, power]
            parts.append([column[is_started] for column in part])
            active = active[is_started]
            now[active] = free_at[is_started]
        row, week, now, finish = row[active], week[active], now[active], finish[active]
        if not row.size:
            break
    return _assemble(parts, start, end)


def _draw_batch(
    rng: KeyedRandom, demand: Demand, evses: EvseTraits, row: Ints, week: Ints, first_session: int
) -> _Draws:
    """Random values for the next sessions of some weeks, drawn as arrays."""
    number, power_class = evses.numbers[row], evses.power_class[row]
    branch = rng.branch(number, week).branch(
        np.arange(first_session, first_session + _BATCH)[:, None]
    )
    rate = _of_class(demand.arrivals_per_day)[power_class] * _POPULARITY(rng.uniform(number, -3))
    stays = _of_class(demand.mean_dwell_min)[power_class] * 60 * _DWELL(branch.uniform(2))
    reserved = _optional_duration(branch.branch(1), demand.reserved_share, demand.reserved_mean_min)
    return _Draws(
        wait_days=EXPONENTIAL(branch.uniform(0)) / np.maximum(rate, _MIN_ARRIVALS_PER_DAY),
        ahead_s=reserved * evses.is_reservable[row],
        stay_s=np.clip(stays, _LEAST_S, _MOST_S).astype(np.int64),
        idle_s=_optional_duration(branch.branch(3), demand.idle_share, demand.idle_mean_min),
        need_kwh=_NEED_KWH[power_class] * _NEED(branch.uniform(4)),
        car_kw=_car_kw(branch.uniform(5), power_class, evses.power_kw[row]),
    )


def _assemble(parts: list[list[Ints | Floats]], start: int, end: int) -> Sessions:
    row, reserved_at, started, ended, free_at, energy, power = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    is_cut = np.zeros(row.size, dtype=np.bool_)
    sessions = Sessions(row, reserved_at, started, ended, free_at, energy, power, is_cut)
    overlapping = sessions.select((reserved_at < end) & (free_at > start))
    return overlapping.select(np.lexsort((overlapping.start, overlapping.row)))


def _optional_duration(branch: Branch, share: float, mean_min: float) -> Ints:
    """An exponential duration in seconds for a share of the draws, otherwise 0."""
    duration_s = np.ceil(EXPONENTIAL(branch.uniform(1)) * mean_min * 60)
    return np.where(branch.uniform(0) < share, duration_s, 0.0).astype(np.int64)


def _car_kw(share: Floats, power_class: Ints, power_kw: Floats) -> Floats:
    onboard = _ONBOARD_KW[np.searchsorted(_ONBOARD_SHARE, share)]
    delivered: Floats = power_kw * _TAPER[power_class]
    return np.where(power_class == AC, np.minimum(onboard, delivered), delivered)


def _of_class(values: Mapping[str, float]) -> Floats:
    return np.array([float(values[name]) for name in POWER_CLASSES])

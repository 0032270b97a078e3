"""Who comes, when, and for how long: the sessions of EVSEs that nothing ever befalls.

Belongs here: arrivals by local hour and weekday, dwell by power class, what is charged. Does not
belong here: outages, which cut sessions short (`state`), and statuses.

Drivers arrive at a free EVSE at random, faster at busy hours. Each EVSE's time is cut into weeks
that begin in a quiet hour of its own, at which it is free: a week's sessions follow from the week
alone, so any week can be had without the ones before it, and no session lies across a border.
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
    Dice,
    Floats,
    Ints,
    lognormal,
)
from charging_assets.simulator.spells import blocks
from charging_assets.simulator.topology import AC, POWER_CLASSES

_WEEK = 7 * DAY
_CHANGEOVER_S = 60
_LEAST_S, _MOST_S = 120, 20 * HOUR
_HARDLY_EVER = 1e-9
# How many sessions of a week are drawn at once.
_TURNS = 16

# How busy the hours of a local day are: work and errands; leisure, later and lower.
_WORKDAY = (3, 2, 2, 2, 3, 6, 17, 38, 50, 46, 42, 43, 46, 44, 44, 48, 55, 62, 60, 44, 28, 16, 9, 5)
_SATURDAY = (5, 4, 3, 2, 2, 3, 6, 13, 27, 42, 53, 56, 52, 48, 46, 44, 41, 38, 33, 26, 19, 13, 9, 6)
_SUNDAY = (6, 4, 3, 2, 2, 2, 4, 7, 14, 24, 34, 38, 37, 38, 40, 41, 39, 37, 34, 28, 20, 13, 8, 4)
_WEEK_OF_HOURS = np.array([*_WORKDAY * 5, *_SATURDAY, *_SUNDAY], dtype=np.float64)

_DWELL = lognormal(0.85)
_POPULARITY = lognormal(0.6)
_NEED = lognormal(0.55)
_NEED_KWH = np.array([19.0, 26.0, 33.0])
# How much of its power an EVSE gives over a session, by class: batteries taper.
_TAPER = np.array([1.0, 0.72, 0.55])
# What cars take of alternating current, and up to which share of cars.
_ONBOARD_KW, _ONBOARD_SHARE = np.array([3.7, 7.4, 11.0, 22.0]), np.array([0.2, 0.42, 0.93])


def _by_class(ac: float, dc: float, hpc: float) -> Mapping[str, float]:
    return dict(zip(POWER_CLASSES, (ac, dc, hpc), strict=True))


@dataclass(frozen=True)
class Demand:
    """How an average EVSE of a power class ("ac", "dc", "hpc") is used.

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

    `reserved_at` ≤ `start` < `end` ≤ `free_at`; `is_cut` says that an outage ended it.
    """

    row: Ints
    reserved_at: Ints
    start: Ints
    end: Ints
    free_at: Ints
    need_kwh: Floats
    car_kw: Floats
    is_cut: Bools

    def only(self, wanted: Bools | Ints) -> Sessions:
        """Those that are wanted, or that stand at some positions."""
        return Sessions(*(column[wanted] for column in vars(self).values()))

    @property
    def energy_kwh(self) -> Floats:
        """What was charged: what the car takes for as long as it charged, at most what it needs."""
        taken = np.minimum((self.end - self.start) / HOUR * self.car_kw, self.need_kwh)
        return np.asarray(np.round(taken, 3), dtype=np.float64)


class ArrivalClock:
    """A clock that runs fast in busy hours: a day of it passes in a day on average.

    Exact at the change of summer time, since it is made of UTC hours with their local names.
    """

    def __init__(self, until_year: int) -> None:
        # As floats, since interpolation would convert all of them each time.
        self._seconds: Floats = np.arange(0, year_start(until_year) + 1, HOUR, dtype=np.float64)
        local = [instant(int(second)).astimezone(BERLIN) for second in self._seconds[:-1].tolist()]
        week_hours = np.array([at.weekday() * 24 + at.hour for at in local])
        weights = _WEEK_OF_HOURS[week_hours] / _WEEK_OF_HOURS.mean() / 24
        self._days = np.concatenate([[0.0], np.cumsum(weights)])

    def days(self, second: Ints) -> Floats:
        """What the clock shows at a time."""
        days: Floats = np.interp(second, self._seconds, self._days)
        return days

    def second(self, days: Floats) -> Ints:
        """When the clock shows so many days."""
        return np.interp(days, self._days, self._seconds).astype(np.int64)


@lru_cache(maxsize=2)
def _clock(until_year: int) -> ArrivalClock:
    return ArrivalClock(until_year)


@dataclass(frozen=True)
class Users:
    """Who the demand meets: EVSEs by number, with what decides how they are used."""

    numbers: Ints
    power_class: Ints
    power_kw: Floats
    is_reservable: Bools


class _Drawn(NamedTuple):
    """Drawn for some rows (across) and their next turns (down): seconds, days, kWh and kW."""

    wait_days: Floats
    ahead_s: Ints
    stay_s: Ints
    idle_s: Ints
    need_kwh: Floats
    car_kw: Floats


def draw_sessions(dice: Dice, demand: Demand, users: Users, start: int, end: int) -> Sessions:
    """The sessions that touch `[start, end)`."""
    # Weeks reach beyond the window, hence the clock beyond the year.
    clock = _clock(instant(end + _WEEK).year + 1)
    numbers = users.numbers
    night = 1 * HOUR + 2 * HOUR * dice.uniform(numbers, -1)
    phase = np.floor(dice.uniform(numbers, -2) * 7).astype(np.int64) * DAY + night.astype(np.int64)
    row, week = blocks(phase, _WEEK, start, end)
    now = phase[row] + week * _WEEK
    finish = now + _WEEK

    parts: list[list[Ints | Floats]] = []
    for first_turn in count(step=_TURNS):
        drawn = _drawn(dice, demand, users, row, week, first_turn)
        going = np.arange(row.size)
        for turn in range(_TURNS):
            wait, ahead, stay, idle, needs, takes = (part[turn, going] for part in drawn)
            arrival = clock.second(clock.days(now[going]) + wait)
            reserved_at = np.maximum(arrival, now[going] + _CHANGEOVER_S)
            begin = reserved_at + ahead
            until = np.minimum(begin + stay, finish[going])
            free_at = np.minimum(until + idle, finish[going])
            comes = begin + _LEAST_S < finish[going]
            part = [row[going], reserved_at, begin, until, free_at, needs, takes]
            parts.append([column[comes] for column in part])
            going = going[comes]
            now[going] = free_at[comes]
        row, week, now, finish = row[going], week[going], now[going], finish[going]
        if not row.size:
            break
    return _assembled(parts, start, end)


def _drawn(
    dice: Dice, demand: Demand, users: Users, row: Ints, week: Ints, first_turn: int
) -> _Drawn:
    """What chance says about the next turns of some weeks: all at once, as arrays are cheap."""
    number, power_class = users.numbers[row], users.power_class[row]
    drawn = dice.branch(number, week).branch(np.arange(first_turn, first_turn + _TURNS)[:, None])
    pace = _of_class(demand.arrivals_per_day)[power_class] * _POPULARITY(dice.uniform(number, -3))
    stays = _of_class(demand.mean_dwell_min)[power_class] * 60 * _DWELL(drawn.uniform(2))
    reserved = _sometimes(drawn.branch(1), demand.reserved_share, demand.reserved_mean_min)
    return _Drawn(
        wait_days=EXPONENTIAL(drawn.uniform(0)) / np.maximum(pace, _HARDLY_EVER),
        ahead_s=reserved * users.is_reservable[row],
        stay_s=np.clip(stays, _LEAST_S, _MOST_S).astype(np.int64),
        idle_s=_sometimes(drawn.branch(3), demand.idle_share, demand.idle_mean_min),
        need_kwh=_NEED_KWH[power_class] * _NEED(drawn.uniform(4)),
        car_kw=_car_kw(drawn.uniform(5), power_class, users.power_kw[row]),
    )


def _assembled(parts: list[list[Ints | Floats]], start: int, end: int) -> Sessions:
    row, reserved_at, begin, until, free_at, needs, takes = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    is_cut = np.zeros(row.size, dtype=np.bool_)
    every = Sessions(row, reserved_at, begin, until, free_at, needs, takes, is_cut)
    touching = every.only((reserved_at < end) & (free_at > start))
    return touching.only(np.lexsort((touching.start, touching.row)))


def _sometimes(drawn: Branch, share: float, mean_min: float) -> Ints:
    """With a chance, an exponential time in seconds; else none."""
    lasts = np.ceil(EXPONENTIAL(drawn.uniform(1)) * mean_min * 60)
    return np.where(drawn.uniform(0) < share, lasts, 0.0).astype(np.int64)


def _car_kw(share: Floats, power_class: Ints, power_kw: Floats) -> Floats:
    onboard = _ONBOARD_KW[np.searchsorted(_ONBOARD_SHARE, share)]
    given: Floats = power_kw * _TAPER[power_class]
    return np.where(power_class == AC, np.minimum(onboard, given), given)


def _of_class(values: Mapping[str, float]) -> Floats:
    return np.array([float(values[name]) for name in POWER_CLASSES])

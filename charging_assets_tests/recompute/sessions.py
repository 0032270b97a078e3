"""Charging sessions: runs of CHARGING over linked observations, with bounds of their ends.

The definitions are those of docs/decisions/0010 and 0024 and docs/data-dictionary.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from charging_assets_tests.recompute.dimensions import states_in_hour
from charging_assets_tests.recompute.observations import (
    Observations,
    Places,
    Poll,
    Run,
    Status,
    chosen_place,
    hour_of,
    is_linked,
)

STUCK = timedelta(days=7)
_CHARGING, _BLOCKED, _UNKNOWN, _OTHER = "charging", "blocked", "unknown", "other"


@dataclass
class Session:
    """A row of fact_charging_session; durations in seconds, energy in kWh."""

    feed: str
    place: str
    evse_key: int
    evse_uid: str
    slot_at: datetime
    last_slot_at: datetime
    started_after: datetime | None
    started_before: datetime
    started_at: datetime | None
    ended_after: datetime
    ended_before: datetime | None
    ended_at: datetime | None
    is_start_censored: bool
    is_end_censored: bool
    is_stuck: bool
    poll_count: int
    bridged_poll_count: int
    duration_min_s: float
    duration_s: float | None
    duration_max_s: float | None
    idle_after_s: float | None
    max_power_kw: float | None
    energy_min_kwh: float
    energy_max_kwh: float | None


@dataclass
class _Segment:
    """Linked observations of one state; `bridged` are single unknown polls within it."""

    state: str
    statuses: list[Status]
    bridged: int
    # Whether the observation before it, of another state, is linked to it.
    is_linked_before: bool


def sessions(observations: Observations, all_runs: list[Run]) -> list[Session]:
    """The sessions of all EVSEs; `all_runs` are the rows of fact_status."""
    connectors = _connectors_in_hours(observations)
    runs: dict[int, list[Run]] = {}
    for run in all_runs:
        runs.setdefault(run.evse_key, []).append(run)
    made = []
    for evse_key, statuses in observations.statuses.items():
        of_evse = connectors.get(evse_key, {})
        segments = _segments(observations.places, _of_chosen_places(statuses))
        for number, segment in enumerate(segments):
            if segment.state == _CHARGING:
                before = segments[number - 1] if number else None
                after = segments[number + 1] if number + 1 < len(segments) else None
                session = _session(
                    observations.places, evse_key, before, segment, after, runs[evse_key]
                )
                if session.idle_after_s is not None and after and after.state == _BLOCKED:
                    session.idle_after_s = _idle_s(observations.places, after, runs[evse_key])
                _add_power(session, _charging_hours(session, segment), of_evse)
                made.append(session)
    return made


def _of_chosen_places(statuses: list[Status]) -> list[Status]:
    """What an EVSE was, taken in each hour from one place."""
    by_hour: dict[datetime, list[Status]] = {}
    for status in statuses:
        by_hour.setdefault(hour_of(status.slot_at), []).append(status)
    taken = []
    for hour in sorted(by_hour):
        feed_and_place = chosen_place(by_hour[hour])
        taken += [each for each in by_hour[hour] if (each.feed, each.place) == feed_and_place]
    return taken


def _state(status: Status) -> str:
    if status.status == "CHARGING":
        return _CHARGING
    if status.status == "BLOCKED":
        return _BLOCKED
    return _UNKNOWN if status.status in (None, "UNKNOWN") else _OTHER


def _segments(places: Places, statuses: list[Status]) -> list[_Segment]:
    """The observations of an EVSE as segments.

    A single unknown one between two linked ones that are known is looked through: it belongs to no
    segment, and what is on both sides of it is linked.
    """
    states = [_state(status) for status in statuses]
    linked = [
        number > 0 and is_linked(places, statuses[number - 1], status)
        for number, status in enumerate(statuses)
    ]
    segments: list[_Segment] = []
    is_after_blip = False
    for number, status in enumerate(statuses):
        is_blip = (
            states[number] == _UNKNOWN
            and linked[number]
            and number + 1 < len(statuses)
            and linked[number + 1]
            and states[number - 1] != _UNKNOWN
            and states[number + 1] != _UNKNOWN
        )
        if is_blip:
            is_after_blip = True
            continue
        if segments and linked[number] and segments[-1].state == states[number]:
            segments[-1].statuses.append(status)
            segments[-1].bridged += is_after_blip
        else:
            segments.append(_Segment(states[number], [status], 0, linked[number]))
        is_after_blip = False
    return segments


def _session(
    places: Places,
    evse_key: int,
    before: _Segment | None,
    segment: _Segment,
    after: _Segment | None,
    runs: list[Run],
) -> Session:
    first = segment.statuses[0]
    # It is cut before the first run (within an hour) that begins a week or more after it.
    charging = [
        each
        for each in segment.statuses
        if each.slot_at - first.slot_at < STUCK
        or _run_of(runs, each).slot_at < first.slot_at + STUCK
    ]
    is_stuck = len(charging) < len(segment.statuses)
    last = charging[-1]
    polls = [places.poll(each.feed, each.place, each.slot_at) for each in charging]
    started_before = min(_answered_at(poll) for poll in polls)
    ended_after = max(_requested_at(poll) for poll in polls)
    started_after = ended_before = None
    if before and segment.is_linked_before and before.state != _UNKNOWN:
        started_after = max(
            _requested_at(places.poll(each.feed, each.place, each.slot_at))
            for each in before.statuses
        )
    if after and after.is_linked_before and after.state != _UNKNOWN and not is_stuck:
        ended_before = min(
            _answered_at(places.poll(each.feed, each.place, each.slot_at))
            for each in after.statuses
        )
    started_at = _middle(started_after, started_before) if started_after else None
    ended_at = _middle(ended_after, ended_before) if ended_before else None
    return Session(
        feed=first.feed,
        place=first.place,
        evse_key=evse_key,
        evse_uid=first.uid,
        slot_at=first.slot_at,
        last_slot_at=last.slot_at,
        started_after=started_after,
        started_before=started_before,
        started_at=started_at,
        ended_after=ended_after,
        ended_before=ended_before,
        ended_at=ended_at,
        is_start_censored=started_after is None,
        is_end_censored=ended_before is None,
        is_stuck=is_stuck,
        poll_count=len(charging),
        bridged_poll_count=_bridged(places, charging) if is_stuck else segment.bridged,
        duration_min_s=max(0.0, (ended_after - started_before).total_seconds()),
        duration_s=(ended_at - started_at).total_seconds() if started_at and ended_at else None,
        duration_max_s=(
            (ended_before - started_after).total_seconds()
            if started_after and ended_before
            else None
        ),
        idle_after_s=None if ended_before is None else 0.0,
        max_power_kw=None,
        energy_min_kwh=0.0,
        energy_max_kwh=None,
    )


def _bridged(places: Places, charging: list[Status]) -> int:
    """How many polls were looked through: the good polls of the place between those that count."""
    return sum(
        len(places.between(before.feed, before.place, before.slot_at, after.slot_at))
        for before, after in pairwise(charging)
    )


def _requested_at(poll: Poll) -> datetime:
    """When a poll was requested. Imported polls have the source's own time, where it is within a
    quarter of an hour of the slot, else the slot."""
    if poll.requested_at is not None:
        return poll.requested_at
    if poll.observed_at is not None:
        apart = poll.observed_at.replace(microsecond=0) - poll.slot_at.replace(microsecond=0)
        if abs(apart) <= timedelta(minutes=15):
            return poll.observed_at
    return poll.slot_at


def _answered_at(poll: Poll) -> datetime:
    return _requested_at(poll) + timedelta(milliseconds=poll.elapsed_ms or 0)


def _middle(first: datetime, last: datetime) -> datetime:
    return first + (last - first) / 2


def stands_s(poll: Poll, places: Places) -> float:
    """For how long a poll stands, across hours: its cadence, or until the place's next good one."""
    number = places.number(poll.feed, poll.place, poll.slot_at) + 1
    slots = places.slots[poll.feed, poll.place]
    if number == len(slots):
        return poll.cadence_s
    return min(poll.cadence_s, int((slots[number] - poll.slot_at).total_seconds()))


def _idle_s(places: Places, blocked: _Segment, runs: list[Run]) -> float:
    """For how long polls of BLOCKED stand, of runs that begin within a day of the first one; a day
    at most."""
    first, seconds = blocked.statuses[0], 0.0
    for status in blocked.statuses:
        is_near = status.slot_at - first.slot_at < timedelta(days=1)
        if is_near or _run_of(runs, status).slot_at - first.slot_at < timedelta(days=1):
            seconds += stands_s(places.poll(status.feed, status.place, status.slot_at), places)
    return min(seconds, 86_400.0)


def _run_of(runs: list[Run], status: Status) -> Run:
    """The row of fact_status that an observation is part of."""
    return next(
        run
        for run in runs
        if (run.feed, run.place) == (status.feed, status.place)
        and run.slot_at <= status.slot_at <= run.last_slot_at
    )


# Hour → the states of an EVSE's connectors that were published in it.
_Connectors = dict[datetime, list[tuple[Any, ...]]]


def _connectors_in_hours(observations: Observations) -> dict[int, _Connectors]:
    """The connectors of each EVSE, by the hours in which they were published."""
    made: dict[int, _Connectors] = {}
    for (entity, key), hours in observations.seen.items():
        if entity == "connector":
            for hour in hours:
                for state in states_in_hour(observations, entity, key, hour):
                    made.setdefault(state[0], {}).setdefault(hour, []).append(state)
    return made


def _charging_hours(session: Session, segment: _Segment) -> set[datetime]:
    """The hours in which a session, which may end before its segment does, was CHARGING."""
    return {
        hour_of(status.slot_at)
        for status in segment.statuses
        if status.slot_at <= session.last_slot_at
    }


def _add_power(session: Session, hours: set[datetime], connectors: _Connectors) -> None:
    """The power in the first hour, and the most energy: the longest duration at the greatest power
    of all hours."""
    powers = [state[4] for state in connectors.get(hour_of(session.slot_at), [])]
    session.max_power_kw = max((power for power in powers if power is not None), default=None)
    limits = [power_limit_kw(*state[1:5]) for hour in hours for state in connectors.get(hour, [])]
    if session.duration_max_s is not None and limits and None not in limits:
        most_kw = max(limit for limit in limits if limit is not None)
        session.energy_max_kwh = most_kw * session.duration_max_s / 3600


def power_limit_kw(power_type: Any, ampere: Any, voltage: Any, max_power_kw: Any) -> float | None:
    """The greater of the published power and of what current and voltage give, in kW.

    Current and voltage are rounded up to a tenth of a kW and give 1,500 kW at most; below 0.5 kW
    they are wrong. None where neither is known.
    """
    electric_kw = 0.0
    if ampere is not None and voltage is not None:
        if power_type in ("AC_1_PHASE", "DC"):
            phases = 1.0
        elif power_type is not None and power_type.startswith("AC_2_PHASE"):
            phases = 2.0
        else:
            # Three phases: the voltage is that between two of them, or that of one.
            phases = 1.732051 if voltage >= 300 else 3.0
        electric_kw = math.ceil(ampere * voltage * phases / 100) / 10
    if electric_kw >= 0.5 and electric_kw > (max_power_kw or 0):
        return min(electric_kw, 1500.0)
    return max_power_kw

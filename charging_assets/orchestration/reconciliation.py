"""Healing: which stale hours are requested now, together or alone, and which wait or are given up.

Belongs here: decisions, as pure functions of what is stale, what was tried and what is running.
Does not belong here: finding what is stale (`pending`), or Dagster (`sensors`).

What fails is tried again after a while, at longer and longer distances, until it is given up. Each
feed of an hour has tries of its own: one whose archive is damaged takes none from another whose
poll came late. New polls or new code make it another case.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import msgspec

from charging_assets.archive.raw_archive import digest
from charging_assets.hours import HOURS_A_RUN, Hour, neighbours
from charging_assets.orchestration.staleness import Pending

# Looked at in every tick; what is older takes its turn, some days a tick.
RECENT = timedelta(days=3)
DAYS_A_TURN = 7
# How long after a try the next one may be. The last distance is repeated: an outage over a long
# weekend heals by itself, and what still fails after a week is for a person.
_PAUSES = (timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))
_LAST_PAUSE = timedelta(days=1)
TRIES = 12
_FORGOTTEN = timedelta(days=30)
# Into so many parts the hours of a run that failed are divided for the next try.
_PARTS = 12


class Try(msgspec.Struct, kw_only=True):
    """What was tried of a feed's hour, or of an hour's tables of all feeds (`Pending.parts`).

    From which state, how often, when last, and together with how many hours.
    """

    state: str
    count: int
    last_at: datetime
    together: int = 1


class Memory(msgspec.Struct, kw_only=True):
    """What healing remembers from tick to tick.

    `since` tells run keys of one memory from those of another: one that was reset tries all again.
    """

    since: datetime
    turn: date | None = None
    tries: dict[str, Try] = {}


@dataclass(frozen=True)
class Request:
    """Hours to load in one run: `key` is no other request's, `count` is which try it is."""

    hours: tuple[Hour, ...]
    key: str
    count: int = 1


@dataclass(frozen=True)
class Decision:
    """What to request now, what waits for its next try, and what was given up."""

    requests: list[Request]
    waiting: list[Pending]
    given_up: list[Pending]
    crowded_out: int


def remembered(cursor: str | None, now: datetime) -> Memory:
    """The memory in a sensor's cursor, or a new one."""
    return msgspec.json.decode(cursor, type=Memory) if cursor else Memory(since=now)


def cursor_of(memory: Memory) -> str:
    return msgspec.json.encode(memory).decode()


def turn(days: Sequence[date], after: date | None) -> list[date]:
    """The days whose turn it is: those after the last turn's, or the first ones again."""
    left = [day for day in days if after is None or day > after]
    return list((left or days)[:DAYS_A_TURN])


def decide(
    stale: Iterable[Pending],
    memory: Memory,
    *,
    open_hours: Collection[Hour],
    room: int,
    now: datetime,
) -> Decision:
    """Requests for stale hours, newest first, at most `room`; `memory` is changed to know them.

    Neighbours that were not tried yet share a run. Those whose run failed share runs of a twelfth
    of its hours, in the end each has its own: a run does not go on after a step that failed for
    one hour. The running hour is never crowded out. Hours that a run is loading are left to it.
    """
    running = Hour.of(now)
    fresh: list[Pending] = []
    again: dict[int, list[Pending]] = {}
    waiting: list[Pending] = []
    given_up: list[Pending] = []
    for found in stale:
        if found.hour in open_hours or found.hour > running:
            continue
        tries = [_tried(memory, key, state) for key, state in found.parts.items()]
        left = [tried for tried in tries if tried is not None and tried.count < TRIES]
        due = [tried for tried in left if now >= tried.last_at + pause(tried.count)]
        if None in tries:
            fresh.append(found)
        elif not left:
            given_up.append(found)
        elif not due:
            waiting.append(found)
        else:
            together = min(tried.together for tried in due)
            again.setdefault(max(1, together // _PARTS), []).append(found)
    groups = _neighbours(fresh, running, HOURS_A_RUN)
    for most, failed in again.items():
        groups += _neighbours(failed, running, most)
    groups.sort(key=lambda group: group[-1].hour, reverse=True)
    urgent = [group for group in groups if group[-1].hour == running]
    others = [group for group in groups if group[-1].hour != running]
    taken = urgent + others[: max(room, 0)]
    crowded_out = sum(map(len, others[max(room, 0) :]))
    return Decision(
        [_requested(group, memory, now) for group in taken], waiting, given_up, crowded_out
    )


def pause(count: int) -> timedelta:
    """How long to wait after so many tries."""
    return _PAUSES[count - 1] if count <= len(_PAUSES) else _LAST_PAUSE


def forget(memory: Memory, seen: Iterable[Hour], stale: Iterable[Pending], now: datetime) -> None:
    """Drop what is known of hours that were seen and are healed, and of ones long past."""
    ailing = {key for found in stale for key in found.parts}
    hours = {hour.key for hour in seen}
    for key in [key for key in memory.tries if key.split(" ", 1)[0] in hours]:
        if key not in ailing:
            del memory.tries[key]
    for key in [key for key, tried in memory.tries.items() if now - tried.last_at > _FORGOTTEN]:
        del memory.tries[key]


def _tried(memory: Memory, key: str, state: str) -> Try | None:
    tried = memory.tries.get(key)
    return tried if tried is not None and tried.state == state else None


def _requested(group: Sequence[Pending], memory: Memory, now: datetime) -> Request:
    parts = {key: state for found in group for key, state in found.parts.items()}
    for key, state in parts.items():
        tried = _tried(memory, key, state)
        if tried is None or tried.count < TRIES:
            count = tried.count + 1 if tried else 1
            memory.tries[key] = Try(state=state, count=count, last_at=now, together=len(group))
    # A feed that was given up stays so when its hour is loaded for another.
    counts = {key: memory.tries[key].count for key in parts}
    first, last = group[0].hour, group[-1].hour
    named = first.key if first == last else f"{first}..{last}"
    what = digest(f"{key}#{state}#{counts[key]}" for key, state in parts.items())
    if len(parts) == 1:
        ((key, state),) = parts.items()
        what = f"{state}#{counts[key]}"
    run_key = f"{named}#{what}#{memory.since:%Y%m%dT%H%M%S}"
    return Request(tuple(found.hour for found in group), run_key, max(counts.values()))


def _neighbours(stale: Iterable[Pending], running: Hour, most: int) -> list[list[Pending]]:
    """Hours in order, cut where one is missing, where a run is full, and before the running one."""
    by_hour = {found.hour: found for found in stale}
    past = neighbours((hour for hour in by_hour if hour != running), most)
    groups = [[by_hour[hour] for hour in group] for group in past]
    return groups + ([[by_hour[running]]] if running in by_hour else [])

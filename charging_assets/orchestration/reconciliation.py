"""Reconciliation: decides which stale hours are loaded now, which wait and which are abandoned.

These are pure functions. `staleness` finds the stale hours, and `sensors` requests the runs.

A failed hour is retried with growing delays until `MAX_ATTEMPTS`. Attempts are counted per feed, so
a feed whose archive is damaged does not use up the attempts of a feed whose poll arrived late. New
polls or new code reset the count.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import msgspec

from charging_assets.archive.raw_archive import digest
from charging_assets.hours import HOURS_A_RUN, Hour, consecutive_groups
from charging_assets.orchestration.staleness import StaleHour

# Every tick scans these days. Older days are scanned in rotation, some days per tick.
RECENT = timedelta(days=3)
SCAN_WINDOW_DAYS = 7
# The delay after each attempt; the last one repeats. Reconciliation recovers from an outage over a
# long weekend, and a person must look at what still fails after a week.
_BACKOFF = (timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))
_MAX_BACKOFF = timedelta(days=1)
MAX_ATTEMPTS = 12
_ATTEMPT_RETENTION = timedelta(days=30)
# The hours of a failed run are split into this many runs for the next attempt.
_SPLIT_FACTOR = 12


class Attempt(msgspec.Struct, kw_only=True):
    """The attempts to load a feed's hour, or an hour's tables of all feeds (`StaleHour.parts`).

    `state` is what was loaded, `count` the number of attempts, `last_at` the time of the last one
    and `run_hours` the number of hours in its run.
    """

    state: str
    count: int
    last_at: datetime
    run_hours: int = 1


class ReconcilerState(msgspec.Struct, kw_only=True):
    """The state between two ticks of the sensor.

    `since` is part of every run key, so that a state that was reset requests all hours again.
    `scanned_to` is the last day of the last scan window. `refreshed_at` is when the current hour
    was last requested.
    """

    since: datetime
    scanned_to: date | None = None
    refreshed_at: datetime | None = None
    attempts: dict[str, Attempt] = {}


@dataclass(frozen=True)
class Request:
    """Hours to load in one run, with a unique run key and the number of the attempt."""

    hours: tuple[Hour, ...]
    key: str
    attempt: int = 1


@dataclass(frozen=True)
class Decision:
    """Runs to request now, hours that wait for their next attempt, and abandoned hours.

    `deferred` is the number of hours that are due, but exceed the limit of concurrent runs.
    """

    requests: list[Request]
    waiting: list[StaleHour]
    abandoned: list[StaleHour]
    deferred: int


def parse_cursor(cursor: str | None, now: datetime) -> ReconcilerState:
    """The state in a sensor's cursor, or a new one."""
    if not cursor:
        return ReconcilerState(since=now)
    return msgspec.json.decode(cursor, type=ReconcilerState)


def format_cursor(state: ReconcilerState) -> str:
    """The state as a sensor's cursor."""
    return msgspec.json.encode(state).decode()


def scan_window(days: Sequence[date], after: date | None) -> list[date]:
    """The days to scan in this tick: the first ones after a day, or from the start again."""
    remaining = [day for day in days if after is None or day > after]
    return list((remaining or days)[:SCAN_WINDOW_DAYS])


def decide(
    stale: Iterable[StaleHour],
    state: ReconcilerState,
    *,
    loading: Collection[Hour],
    max_runs: int,
    now: datetime,
    refresh_every: timedelta = timedelta(0),
) -> Decision:
    """Request runs for stale hours, newest first, and record their attempts in `state`.

    Consecutive hours without an attempt share a run. After a failed run its hours are split into
    smaller runs, down to one hour each, because a run stops at the first hour whose step fails.

    Args:
        loading: hours that a run is loading now; they are skipped.
        max_runs: the limit of runs. The run of the current hour is always requested.
        refresh_every: new polls of the current hour are loaded at most this often.
    """
    current = Hour.of(now)
    new: list[StaleHour] = []
    due_by_run_hours: dict[int, list[StaleHour]] = {}
    waiting: list[StaleHour] = []
    abandoned: list[StaleHour] = []
    for stale_hour in stale:
        if stale_hour.hour in loading or stale_hour.hour > current:
            continue
        is_refreshed = state.refreshed_at and now < state.refreshed_at + refresh_every
        if stale_hour.hour == current and is_refreshed:
            continue
        attempts = [_attempt(state, key, digests) for key, digests in stale_hour.parts.items()]
        retriable = [each for each in attempts if each is not None and each.count < MAX_ATTEMPTS]
        due = [each for each in retriable if now >= each.last_at + backoff(each.count)]
        if None in attempts:
            new.append(stale_hour)
        elif not retriable:
            abandoned.append(stale_hour)
        elif not due:
            waiting.append(stale_hour)
        else:
            run_hours = min(attempt.run_hours for attempt in due)
            due_by_run_hours.setdefault(max(1, run_hours // _SPLIT_FACTOR), []).append(stale_hour)
    groups = _group(new, current, HOURS_A_RUN)
    for max_hours, due_hours in due_by_run_hours.items():
        groups += _group(due_hours, current, max_hours)
    groups.sort(key=lambda group: group[-1].hour, reverse=True)
    current_group = [group for group in groups if group[-1].hour == current]
    past_groups = [group for group in groups if group[-1].hour != current]
    if current_group and refresh_every:
        state.refreshed_at = now
    limit = max(max_runs, 0)
    return Decision(
        requests=[_request(group, state, now) for group in current_group + past_groups[:limit]],
        waiting=waiting,
        abandoned=abandoned,
        deferred=sum(map(len, past_groups[limit:])),
    )


def backoff(count: int) -> timedelta:
    """The delay after an attempt, by its number from 1."""
    return _BACKOFF[count - 1] if count <= len(_BACKOFF) else _MAX_BACKOFF


def prune(
    state: ReconcilerState, scanned: Iterable[Hour], stale: Iterable[StaleHour], now: datetime
) -> None:
    """Delete the attempts of scanned hours that are no longer stale, and attempts of long ago."""
    stale_keys = {key for stale_hour in stale for key in stale_hour.parts}
    scanned_keys = {hour.key for hour in scanned}
    state.attempts = {
        key: attempt
        for key, attempt in state.attempts.items()
        if (key in stale_keys or key.split(" ", 1)[0] not in scanned_keys)
        and now - attempt.last_at <= _ATTEMPT_RETENTION
    }


def _attempt(state: ReconcilerState, key: str, digests: str) -> Attempt | None:
    """The attempts from the same archive and code; None if there are none."""
    attempt = state.attempts.get(key)
    return attempt if attempt is not None and attempt.state == digests else None


def _request(group: Sequence[StaleHour], state: ReconcilerState, now: datetime) -> Request:
    parts = {key: digests for stale_hour in group for key, digests in stale_hour.parts.items()}
    for key, digests in parts.items():
        attempt = _attempt(state, key, digests)
        if attempt is None or attempt.count < MAX_ATTEMPTS:
            count = attempt.count + 1 if attempt else 1
            state.attempts[key] = Attempt(
                state=digests, count=count, last_at=now, run_hours=len(group)
            )
    # An abandoned feed stays abandoned when its hour is loaded for another feed.
    counts = {key: state.attempts[key].count for key in parts}
    first, last = group[0].hour, group[-1].hour
    hours = first.key if first == last else f"{first}..{last}"
    version = digest(f"{key}#{digests}#{counts[key]}" for key, digests in parts.items())
    if len(parts) == 1:
        ((key, digests),) = parts.items()
        version = f"{digests}#{counts[key]}"
    run_key = f"{hours}#{version}#{state.since:%Y%m%dT%H%M%S}"
    return Request(tuple(each.hour for each in group), run_key, max(counts.values()))


def _group(stale: Iterable[StaleHour], current: Hour, max_hours: int) -> list[list[StaleHour]]:
    """Consecutive hours, at most `max_hours` in a group; the current hour is a group alone."""
    by_hour = {stale_hour.hour: stale_hour for stale_hour in stale}
    past = consecutive_groups((hour for hour in by_hour if hour != current), max_hours)
    groups = [[by_hour[hour] for hour in group] for group in past]
    return groups + ([[by_hour[current]]] if current in by_hour else [])

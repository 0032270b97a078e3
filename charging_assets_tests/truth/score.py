"""The score: occupancy, sessions, their bounds and their energy, against the truth.

Belongs here: comparison alone. Reads the warehouse by SQL and the truth from the simulator, and
imports nothing of modelling, so that an error there cannot hide itself here.

Over which time: a day is left off at either end of the period, so that whole sessions are looked
at. Occupancy is compared as the share of operable time; polls that are missed at random thin out
both sides of the quotient alike. What is left is sampling: a true stay of length L is estimated
to a multiple of the cadence c, with a variance of c²/6 on average; `sampling_error` is that of the
sum. Records that the simulator planted to be hostile are nobody's, and left out. In gaps of polling
there is nothing to compare; `gaps` checks that the marts have no share then.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import sqrt
from typing import Any
from zoneinfo import ZoneInfo

from charging_assets.simulator.hostile import FIRST_ID
from charging_assets.simulator.truth import Session, Truth
from charging_assets.warehouse.interface import Warehouse
from charging_assets_tests.truth.spans import (
    Span,
    clip,
    join_spans,
    overlaps,
    subtract_spans,
    total_length,
)

CADENCE_S = 600.0
MARGIN = timedelta(days=1)
# Sessions near a hidden status are not scored.
SHADOW = timedelta(minutes=40)
CLASSES = ("ac", "dc", "hpc")


@dataclass(frozen=True)
class Occupancy:
    """Occupied of operable time, estimated and true."""

    estimated: float
    true: float
    sampling_error: float

    @property
    def deviation(self) -> float:
        """Relative to the truth."""
        return self.estimated / self.true - 1


@dataclass(frozen=True)
class SessionScore:
    """How many true sessions were matched; those that no poll separates count as one.

    `surplus` are sessions that match no true one, or one that another already matches. `expected`
    is the mean of min(1, dwell / cadence).
    """

    true: int
    merged: int
    matched: int
    surplus: int
    expected: float

    @property
    def share(self) -> float:
        return self.matched / self.true

    @property
    def share_with_surplus(self) -> float:
        return (self.matched + self.surplus) / self.true


@dataclass(frozen=True)
class Bounds:
    """Sessions with a seen start or end, and those of them in which the true one lies outside."""

    starts: int
    ends: int
    wrong: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Energy:
    """Sessions with a greatest energy, and those with a true one outside of their bounds."""

    bounded: int
    wrong: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Gaps:
    """Rows of marts for days with over a fifth of gaps; `estimated` of them have a share."""

    days: int
    rows: int
    estimated: int


def occupancy(
    warehouse: Warehouse, truth: Truth, unpolled: Sequence[Span] = ()
) -> dict[str, Occupancy]:
    """By power class, and under `all`; over the truth's whole period but gaps of polling."""
    estimated = warehouse.query(
        "SELECT evses.evse_uid, hours.power_class, "
        "SUM(hours.available_s + hours.charging_s + hours.reserved_s + hours.blocked_s) "
        "AS operable, "
        "SUM(hours.charging_s + hours.reserved_s + hours.blocked_s) AS occupied "
        "FROM mart.mart_evse_hour AS hours "
        "INNER JOIN (SELECT DISTINCT evse_key, evse_uid FROM warehouse.dim_evse) AS evses "
        "ON hours.evse_key = evses.evse_key GROUP BY 1, 2"
    ).to_pylist()
    estimated = [row for row in estimated if int(row["evse_uid"]) < FIRST_ID]
    classes = {row["evse_uid"]: row["power_class"] for row in estimated}
    for session in truth.sessions:
        if classes.get(session.evse_uid, session.power_class) != session.power_class:
            raise AssertionError(f"{session.evse_uid} is {session.power_class}")
    hidden, stays = _hidden(truth, unpolled), defaultdict(list)
    for session in truth.sessions:
        stays[session.evse_uid].append((session.reserved_at or session.started_at, session.free_at))
    by_class = {}
    for name in (*CLASSES, "all"):
        uids = {uid for uid, of in classes.items() if name in (of, "all")}
        rows = [row for row in estimated if row["evse_uid"] in uids]
        if not rows:
            continue
        whole = (truth.end - truth.start).total_seconds()
        operable = sum(whole - total_length(hidden[uid]) for uid in uids)
        seen = [
            part
            for uid in uids
            for stay in stays[uid]
            for part in subtract_spans(clip(stay, truth.start, truth.end), hidden[uid])
        ]
        occupied = total_length(seen)
        by_class[name] = Occupancy(
            estimated=float(
                sum(row["occupied"] for row in rows) / sum(row["operable"] for row in rows)
            ),
            true=occupied / operable,
            sampling_error=CADENCE_S * sqrt(len(seen) / 6) / occupied,
        )
    return by_class


def sessions(warehouse: Warehouse, truth: Truth, unpolled: Sequence[Span] = ()) -> SessionScore:
    """Over sessions that begin within the period less a day at either end, and are not hidden."""
    start, end = truth.start + MARGIN, truth.end - MARGIN
    hidden, polls = _hidden(truth, unpolled), _polls(warehouse)
    estimated = _estimated_sessions(warehouse)
    true = matched = surplus = merged = 0
    chances = 0.0
    for uid, evse_sessions in _by_evse(truth.sessions).items():
        runs = _merged(evse_sessions, polls[evse_sessions[0].slug])
        merged += len(evse_sessions) - len(runs)
        in_scope = [
            run
            for run in runs
            if start <= run[0].started_at < end and not overlaps(_span(run), hidden[uid], SHADOW)
        ]
        mine = [
            row
            for row in estimated.get(uid, ())
            if not overlaps((row["started_before"], row["ended_after"]), hidden[uid], SHADOW)
        ]
        for run in in_scope:
            matching = [row for row in mine if _touches(row, run)]
            true += 1
            matched += bool(matching)
            surplus += max(0, len(matching) - 1)
            charged = sum((s.ended_at - s.started_at).total_seconds() for s in run)
            chances += min(1.0, charged / CADENCE_S)
        surplus += sum(
            start <= row["started_before"] < end and not any(_touches(row, run) for run in runs)
            for row in mine
        )
    condition = {session.evse_uid for session in truth.sessions}
    surplus += sum(
        int(uid) < FIRST_ID
        and start <= row["started_before"] < end
        and not overlaps((row["started_before"], row["ended_after"]), hidden[uid], SHADOW)
        for uid, rows in estimated.items()
        if uid not in condition
        for row in rows
    )
    return SessionScore(true, merged, matched, surplus, chances / true)


def bounds(warehouse: Warehouse, truth: Truth) -> Bounds:
    """Every start and end that the warehouse has seen, against the true ones."""
    starts = ends = 0
    wrong = []
    by_evse = _by_evse(truth.sessions)
    for uid, rows in _estimated_sessions(warehouse).items():
        for row in rows:
            if not truth.start + MARGIN <= row["started_before"] < truth.end - MARGIN:
                continue
            run = [s for s in by_evse.get(uid, ()) if _touches(row, [s])]
            first = min((s.started_at for s in run), default=None)
            last = max((s.ended_at for s in run), default=None)
            if row["started_after"] is not None:
                starts += 1
                if first is None or not row["started_after"] <= first <= row["started_before"]:
                    wrong.append({**row, "what": "start", "true": first})
            if row["ended_before"] is not None:
                ends += 1
                if last is None or not row["ended_after"] <= last <= row["ended_before"]:
                    wrong.append({**row, "what": "end", "true": last})
    return Bounds(starts, ends, tuple(wrong))


def energy(warehouse: Warehouse, truth: Truth) -> Energy:
    """The least and the greatest energy of every session, against what was charged over it."""
    bounded, wrong = 0, []
    by_evse = _by_evse(truth.sessions)
    for uid, rows in _estimated_sessions(warehouse).items():
        for row in rows:
            if not truth.start + MARGIN <= row["started_before"] < truth.end - MARGIN:
                continue
            charged = sum(s.energy_kwh for s in by_evse.get(uid, ()) if _touches(row, [s]))
            least, most = row["energy_min_kwh"], row["energy_max_kwh"]
            bounded += most is not None
            if (least is not None and charged < least) or (most is not None and charged > most):
                wrong.append({**row, "charged": charged})
    return Energy(bounded, tuple(wrong))


def gaps(warehouse: Warehouse, unpolled: Sequence[Span], zone: str = "Europe/Berlin") -> Gaps:
    """Shares in the marts of local days with more than a fifth of gaps.

    Only hostile records have no power class. Those that appear and disappear next to a gap have
    a correspondingly short window, and may have a share.
    """
    days = rows = estimated = 0
    for day in sorted(_local_days(unpolled, zone)):
        start, end = (at.astimezone(UTC) for at in (day, _next(day)))
        missed = total_length(
            clip(gap, start, end) for gap in unpolled if gap[0] < end > start < gap[1]
        )
        if missed <= 0.2 * (end - start).total_seconds():
            continue
        days += 1
        for name, condition in (
            ("mart_station_day", ""),
            ("mart_city_day", " AND power_class <> 'unknown'"),
        ):
            row = warehouse.query(
                "SELECT COUNT(*) AS row_count, COUNT(COALESCE(occupancy, utilisation, "
                f"availability, reliability)) AS share_count FROM mart.{name} "
                f"WHERE local_date = :day{condition}",
                {"day": day.replace(tzinfo=None)},
            ).to_pylist()[0]
            rows, estimated = rows + row["row_count"], estimated + row["share_count"]
    return Gaps(days, rows, estimated)


def _local_days(spans: Iterable[Span], zone: str) -> set[datetime]:
    days = set()
    for start, end in spans:
        day = start.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
        while day < end:
            days.add(day)
            day = _next(day)
    return days


def _next(day: datetime) -> datetime:
    """The next local midnight: arithmetic on the wall clock, so days of 23 and 25 hours hold."""
    return day + timedelta(days=1)


def _estimated_sessions(warehouse: Warehouse) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in warehouse.query(
        "SELECT evse_uid, started_after, started_before, ended_after, ended_before, "
        "energy_min_kwh, energy_max_kwh "
        "FROM warehouse.fact_charging_session ORDER BY started_before"
    ).to_pylist():
        rows[row["evse_uid"]].append({name: _aware(value) for name, value in row.items()})
    return rows


def _polls(warehouse: Warehouse) -> dict[str, list[datetime]]:
    """When each place's good answers were made."""
    times: dict[str, list[datetime]] = defaultdict(list)
    for row in warehouse.query(
        "SELECT place, requested_at, elapsed_ms FROM warehouse.fact_poll "
        "WHERE outcome IN ('ok', 'not_modified') ORDER BY requested_at"
    ).to_pylist():
        answered = row["requested_at"] + timedelta(milliseconds=row["elapsed_ms"])
        times[row["place"]].append(_aware(answered))
    return times


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def _by_evse(sessions: Iterable[Session]) -> dict[str, list[Session]]:
    by_evse: dict[str, list[Session]] = defaultdict(list)
    for session in sorted(sessions, key=lambda each: each.started_at):
        by_evse[session.evse_uid].append(session)
    return by_evse


def _merged(evse_sessions: Sequence[Session], polls: Sequence[datetime]) -> list[list[Session]]:
    """Sessions, together where no poll saw the EVSE in between."""
    runs: list[list[Session]] = []
    for session in evse_sessions:
        if runs and not _polled(polls, runs[-1][-1].ended_at, session.started_at):
            runs[-1].append(session)
        else:
            runs.append([session])
    return runs


def _polled(polls: Sequence[datetime], start: datetime, end: datetime) -> bool:
    at = bisect_left(polls, start)
    return at < len(polls) and polls[at] < end


def _span(run: Sequence[Session]) -> Span:
    return run[0].started_at, run[-1].ended_at


def _touches(row: Mapping[str, Any], run: Sequence[Session]) -> bool:
    begun, ended = _span(run)
    return bool(
        begun <= row["ended_after"] + timedelta(seconds=60)
        and ended >= (row["started_before"] - timedelta(seconds=60))
    ) and any(
        s.started_at <= row["ended_after"] + timedelta(seconds=5)
        and s.ended_at > row["started_before"] - timedelta(seconds=5)
        for s in run
    )


def _hidden(truth: Truth, unpolled: Sequence[Span]) -> dict[str, list[Span]]:
    """When an EVSE's published status said nothing of sessions, without overlaps."""
    spans: dict[str, list[Span]] = defaultdict(lambda: list(unpolled))
    for outage in truth.outages:
        spans[outage.evse_uid].append((outage.started_at, outage.ended_at))
    for uid, evse_sessions in spans.items():
        spans[uid] = join_spans(evse_sessions)
    return spans

"""Compare page figures of weeks with gaps with the truth: session rate, mean dwell, occupancy.

The estimates use the queries of the pages and `measures`. The truth has two forms: *all*
true sessions, and those that polls without gaps could distinguish (*distinct*): sessions that no
such poll sees are left out, and those that none separates are one. Gaps must not bias an estimate
against the second form; the difference between the two is what polling at that cadence cannot see.
Between them lies, for dwell, what polls without gaps would give themselves (*polled*): of sessions
about as short as the cadence they see the longer ones, and the mean comes out longer than that of
those they see.

Over which time: whole local days, without the first and the last of the weeks. A rate is per EVSE
time whose published status is known, since the rest is unknown; occupancy is a share of
operable time. Intervals are of a bootstrap over EVSEs, of which each brings its estimate and its
truth; that all EVSEs miss the same hours is not in them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import floor
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from charging_assets.dashboard.reader import WarehouseReader
from charging_assets.measures import (
    SECONDS,
    SESSIONS,
    compute_measures,
    sum_columns,
    use_period_windows,
)
from charging_assets.simulator.network import FEED
from charging_assets.simulator.truth import Session, Truth
from charging_assets.warehouse.interface import Warehouse
from charging_assets_tests.truth.spans import Span, clip, join_spans, subtract_spans, total_length

Floats = NDArray[np.float64]
ZONE = "Europe/Berlin"
DAY_S = HORIZON_S = 86_400.0
REPLICATES = 1_000
FIGURES = {
    "sessions": "sessions_per_evse",
    "dwell": "dwell_mean_s",
    "occupancy": "occupancy",
}
_FAILED = {"OUTOFORDER", "INOPERATIVE"}


@dataclass(frozen=True)
class Estimate:
    """A figure of the pages, None where they show none, and the truth that it estimates.

    `polled` is what polls without gaps would give. `low` and `high` bound the deviation from
    `distinct` with 95 % confidence, `gaps_low` and `gaps_high` that from `polled`.
    """

    estimated: float | None
    polled: float
    distinct: float
    all: float
    low: float
    high: float
    gaps_low: float
    gaps_high: float

    @property
    def gap_effect(self) -> float | None:
        """Of the estimate from what polls without gaps would give, relative."""
        return None if self.estimated is None else self.estimated / self.polled - 1

    @property
    def deviation(self) -> float | None:
        """Of the estimate from what polls without gaps could distinguish, relative."""
        return None if self.estimated is None else self.estimated / self.distinct - 1

    @property
    def unseen(self) -> float:
        """Of what polls without gaps could distinguish from the whole truth, relative."""
        return self.distinct / self.all - 1


@dataclass(frozen=True)
class Estimates:
    """By power class, and `all`: the figures; of all, the coverage and what polls cannot see.

    `short` and `merged` are the shares of true sessions that no poll without gaps sees, and that
    none separates from the one before.
    """

    coverage: float
    evse_count: int
    session_count: int
    short: float
    merged: float
    figures: Mapping[str, Mapping[str, Estimate]]


@dataclass
class _Evse:
    """One EVSE in the period: sums as the pages have them, and as they were.

    Seconds; of `durations` each session has its estimated one, and whether its end was observed.
    """

    power_class: str
    place: str
    session_count: int = 0
    exposure_s: float = 0.0
    occupied_s: float = 0.0
    operable_s: float = 0.0
    durations: list[tuple[float, bool]] = field(default_factory=list)
    observable_s: float = 0.0
    true_occupied_s: float = 0.0
    true_operable_s: float = 0.0
    occupied_polls: int = 0
    operable_polls: int = 0
    true_durations: list[float] = field(default_factory=list)
    distinct_durations: list[float] = field(default_factory=list)
    polled_durations: list[float] = field(default_factory=list)
    short: int = 0


def estimate(
    warehouse: Warehouse, truth: Truth, poll_times: Mapping[str, Sequence[datetime]]
) -> Estimates:
    """Every figure, of all EVSEs and of each power class.

    Args:
        warehouse: the weeks, with gaps.
        truth: of the same weeks.
        poll_times: when each place would have answered if no poll was missing.

    Raises:
        AssertionError: what the pages show is not what their sources add up to.
    """
    first, last = _local_days(truth)
    start, end = (day.astimezone(UTC) for day in (first, last + timedelta(days=1)))
    evses = _estimated_evses(warehouse, start, end)
    _add_truth(evses, truth, poll_times, (start, end))
    page_figures = _page_figures(warehouse, first, last, start, end)
    figures = {}
    for name, row in page_figures.items():
        group = [evse for evse in evses.values() if name in ("all", evse.power_class)]
        figures[name] = _compare(row, group)
    every = list(evses.values())
    true_count = sum(len(evse.true_durations) for evse in every)
    distinct_count = sum(len(evse.distinct_durations) for evse in every)
    short = sum(evse.short for evse in every)
    coverage = page_figures["all"]["coverage"]
    assert coverage is not None
    return Estimates(
        coverage, len(every), true_count, short / true_count,
        (true_count - short - distinct_count) / true_count, figures,
    )  # fmt: skip


def restricted_mean(durations: Floats, is_end: NDArray[np.bool_], weights: Floats) -> float:
    """The Kaplan-Meier mean up to a day; each duration counts `weights` times."""
    order = np.lexsort((~is_end, durations))
    # The curve ends with the last duration that counts.
    order = order[weights[order] > 0]
    at, ends, counts = durations[order], is_end[order], weights[order]
    hazard = counts * ends / counts[::-1].cumsum()[::-1]
    # Several events of one time, one after the other, leave as many as all at once.
    alive = np.cumprod(1 - hazard)
    times = np.minimum(np.concatenate([[0.0], at]), HORIZON_S)
    return float(np.sum(np.diff(times) * np.concatenate([[1.0], alive[:-1]])))


def _local_days(truth: Truth) -> tuple[datetime, datetime]:
    """The second local day and the last but one, at their midnights."""
    zone = ZoneInfo(ZONE)
    first, after = (at.astimezone(zone) for at in (truth.start, truth.end))
    midnights = [
        at.replace(hour=0, minute=0, second=0, microsecond=0, fold=0) for at in (first, after)
    ]
    return midnights[0] + timedelta(days=1), midnights[1] - timedelta(days=2)


def _page_figures(
    warehouse: Warehouse, first: datetime, last: datetime, start: datetime, end: datetime
) -> dict[str, dict[str, float | None]]:
    """What the page of a city shows for the period: of all, and by power class."""
    dates = {"from_date": _naive(first), "to_date": _naive(last)}
    window = {"window_start": _naive(start), "window_end": _naive(end)}
    scope = {**dates, **window, "feed": FEED, "place": ""}
    with WarehouseReader(warehouse).session() as query:
        days = query("dashboard/city_days", **scope, operator_name="", now_at=_naive(end))
        classes = query("dashboard/city_classes", **scope, now_at=_naive(end))
        dwell = query(
            "dashboard/dwell", **scope, operator_name="", time_zone=ZONE, station_key=0, evse_key=0
        )
    means = {(row["grouped_by"], row["power_class"]): row["dwell_mean_s"] for row in dwell}
    total: dict[str, Any] = sum_columns(use_period_windows(days), (*SECONDS, *SESSIONS))
    return {
        "all": compute_measures({**total, "dwell_mean_s": means["total", None]}),
        **{
            row["power_class"]: compute_measures(
                {**row, "dwell_mean_s": means.get(("power_class", row["power_class"]))}
            )
            for row in classes
        },
    }


def _estimated_evses(warehouse: Warehouse, start: datetime, end: datetime) -> dict[str, _Evse]:
    """What pages add up, EVSE by EVSE."""
    window = {"window_start": _naive(start), "window_end": _naive(end)}
    evses: dict[str, _Evse] = {}
    for row in warehouse.query(
        "SELECT evses.evse_uid, MIN(hours.power_class) AS power_class, "
        "MIN(hours.place) AS place, SUM(hours.session_exposure_s) AS exposure_s, "
        "SUM(hours.charging_s + hours.reserved_s + hours.blocked_s) AS occupied_s, "
        "SUM(hours.available_s + hours.charging_s + hours.reserved_s + hours.blocked_s) "
        "AS operable_s FROM mart.mart_evse_hour AS hours "
        "INNER JOIN (SELECT DISTINCT evse_key, evse_uid FROM warehouse.dim_evse) AS evses "
        "ON hours.evse_key = evses.evse_key "
        "WHERE hours.slot_at >= :window_start AND hours.slot_at < :window_end GROUP BY 1",
        window,
    ).to_pylist():
        evse = evses[row["evse_uid"]] = _Evse(row["power_class"], row["place"])
        for name in ("exposure_s", "occupied_s", "operable_s"):
            setattr(evse, name, float(row[name]))
    for row in warehouse.query(
        "SELECT evse_uid, started_at, ended_after, duration_s "
        "FROM warehouse.fact_charging_session WHERE NOT is_start_censored "
        "AND slot_at >= :window_start AND slot_at < :window_end",
        window,
    ).to_pylist():
        evse = evses[row["evse_uid"]]
        evse.session_count += 1
        lasted, is_end = row["duration_s"], row["duration_s"] is not None
        if not is_end:
            lasted = max(0.0, (row["ended_after"] - row["started_at"]).total_seconds())
        # Whole minutes, as the pages have it.
        evse.durations.append((60.0 * floor((lasted + 30) / 60), is_end))
    return evses


def _add_truth(
    evses: Mapping[str, _Evse],
    truth: Truth,
    poll_times: Mapping[str, Sequence[datetime]],
    period: Span,
) -> None:
    sessions: dict[str, list[Session]] = defaultdict(list)
    for session in sorted(truth.sessions, key=lambda each: each.started_at):
        sessions[session.evse_uid].append(session)
    spans: dict[str, dict[bool, list[Span]]] = defaultdict(lambda: {True: [], False: []})
    for outage in truth.outages:
        span = clip((outage.started_at, outage.ended_at), truth.start, truth.end)
        spans[outage.evse_uid][outage.status in _FAILED].append(span)
    for uid, evse in evses.items():
        polls = poll_times[evse.place]
        unknown = join_spans(spans[uid][False])
        hidden = join_spans([*spans[uid][True], *unknown])
        observable = subtract_spans(period, unknown)
        evse.observable_s = total_length(observable)
        operable = subtract_spans(period, hidden)
        evse.true_operable_s = total_length(operable)
        evse.operable_polls = sum(_count(polls, part) for part in operable)
        for session in sessions[uid]:
            stay = clip((session.reserved_at or session.started_at, session.free_at), *period)
            parts = subtract_spans(stay, hidden)
            evse.true_occupied_s += total_length(parts)
            evse.occupied_polls += sum(_count(polls, part) for part in parts)
        every = [(session.started_at, session.ended_at) for session in sessions[uid]]
        seen = [
            span
            for span in every
            if any(_count(polls, part) for part in subtract_spans(span, hidden))
        ]  # fmt: skip
        evse.true_durations = _durations(every, observable)
        evse.short = len(evse.true_durations) - len(_durations(seen, observable))
        distinct = _distinct(seen, polls)
        evse.distinct_durations = _durations(distinct, observable)
        evse.polled_durations = _durations([_polled(span, polls) for span in distinct], observable)


def _distinct(sessions: Sequence[Span], polls: Sequence[datetime]) -> list[Span]:
    """Sessions, as one where no poll lies between them."""
    runs: list[Span] = []
    for start, end in sessions:
        if runs and not _count(polls, (runs[-1][1], start)):
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    return runs


def _polled(session: Span, polls: Sequence[datetime]) -> Span:
    """A session from the middle before its first poll to the middle after its last one."""
    first, after = (bisect_left(polls, at) for at in session)
    if first == 0 or after == len(polls):
        return session
    return _middle(polls[first - 1], polls[first]), _middle(polls[after - 1], polls[after])


def _middle(before: datetime, after: datetime) -> datetime:
    return before + (after - before) / 2


def _durations(sessions: Sequence[Span], observable: Sequence[Span]) -> list[float]:
    """Seconds of those that begin in some times."""
    return [
        (end - start).total_seconds()
        for start, end in sessions
        if any(since <= start < until for since, until in observable)
    ]


def _count(polls: Sequence[datetime], span: Span) -> int:
    """How many polls lie in a span."""
    return bisect_left(polls, span[1]) - bisect_left(polls, span[0])


def _compare(
    page_figures: Mapping[str, float | None], evses: Sequence[_Evse]
) -> dict[str, Estimate]:
    """The figures of some EVSEs; their bootstrap has the same EVSEs in estimate and truth."""

    def column(of: Callable[[_Evse], float]) -> Floats:
        return np.array([float(of(evse)) for evse in evses])

    owner = np.repeat(np.arange(len(evses)), [len(evse.durations) for evse in evses])
    pairs = [pair for evse in evses for pair in evse.durations]
    durations = np.array([duration for duration, _ in pairs], dtype=np.float64)
    is_end = np.array([ended for _, ended in pairs], dtype=np.bool_)
    distinct_count = column(lambda evse: len(evse.distinct_durations))
    polled_count = column(lambda evse: len(evse.polled_durations))
    true_count = column(lambda evse: len(evse.true_durations))
    observable_days = column(lambda evse: evse.observable_s / DAY_S)
    at_polls = (
        column(lambda evse: evse.occupied_polls),
        column(lambda evse: evse.operable_polls),
    )
    # Numerator and denominator of the estimate, polled, distinct, and of all.
    quotients = {
        "sessions": (
            (column(lambda evse: evse.session_count), column(lambda evse: evse.exposure_s / DAY_S)),
            (distinct_count, observable_days),
            (distinct_count, observable_days),
            (true_count, observable_days),
        ),
        "dwell": (
            None,
            (column(lambda evse: _restricted_sum(evse.polled_durations)), polled_count),
            (column(lambda evse: _restricted_sum(evse.distinct_durations)), distinct_count),
            (column(lambda evse: _restricted_sum(evse.true_durations)), true_count),
        ),
        "occupancy": (
            (column(lambda evse: evse.occupied_s), column(lambda evse: evse.operable_s)),
            at_polls,
            at_polls,
            (column(lambda evse: evse.true_occupied_s), column(lambda evse: evse.true_operable_s)),
        ),
    }

    def value(quotient: tuple[Floats, Floats] | None, weights: Floats) -> float:
        if quotient is None:
            return restricted_mean(durations, is_end, weights[owner])
        return float((weights @ quotient[0]) / (weights @ quotient[1]))

    once = np.ones(len(evses))
    chance = np.random.default_rng(0)
    drawn = chance.multinomial(len(evses), once / len(evses), REPLICATES).astype(np.float64)
    figures = {}
    for name, (estimated, polled, distinct, every) in quotients.items():
        figure, source = page_figures[FIGURES[name]], value(estimated, once)
        if figure is not None and abs(source / figure - 1) > 1e-6:
            raise AssertionError(f"{name}: pages show {figure}, sources give {source}")
        values = np.array([value(estimated, weights) for weights in drawn])
        bounds = [
            float(percentile)
            for true in (distinct, polled)
            for percentile in np.percentile(
                values / np.array([value(true, weights) for weights in drawn]) - 1, (2.5, 97.5)
            )
        ]
        figures[name] = Estimate(
            figure, value(polled, once), value(distinct, once), value(every, once), *bounds
        )
    return figures


def _restricted_sum(durations: Sequence[float]) -> float:
    return sum(min(duration, HORIZON_S) for duration in durations)


def _naive(at: datetime) -> datetime:
    """Local midnights as they are, UTC without its zone."""
    return at.replace(tzinfo=None)

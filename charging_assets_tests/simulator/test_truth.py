"""The ground truth explains every published status and follows the settings."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from charging_assets.simulator import (
    DEFAULT_START,
    Demand,
    Life,
    Network,
    Outage,
    Reliability,
    Session,
    Truth,
)

DAYS_10 = timedelta(days=10)
BUSY_LIFE = Life(
    renames=1, replacements=1, absences=8, dropouts=60, relabels_per_evse=1, withdrawals_per_evse=20
)
FRAGILE = Reliability(outages_per_year=40, flaps_per_year=400, stuck_per_year=5)


def by_evse(truth: Truth) -> tuple[dict[str, list[Session]], dict[str, list[Outage]]]:
    sessions: dict[str, list[Session]] = defaultdict(list)
    outages: dict[str, list[Outage]] = defaultdict(list)
    for session in truth.sessions:
        sessions[session.evse_uid].append(session)
    for outage in truth.outages:
        outages[outage.evse_uid].append(outage)
    return sessions, outages


def expected_status(sessions: list[Session], outages: list[Outage], at: datetime) -> str | None:
    """The status by the ground truth; None if the station must not be published."""
    now = {outage.reason: outage for outage in outages if outage.started_at <= at < outage.ended_at}
    for reason in ("absent", "flap", "outage", "stuck"):
        if reason in now:
            return now[reason].status
    for session in sessions:
        if (session.reserved_at or session.started_at) <= at < session.free_at:
            if at < session.started_at:
                return "RESERVED"
            return "CHARGING" if at < session.ended_at else "BLOCKED"
    return "AVAILABLE"


@pytest.mark.parametrize(
    "network",
    [Network(4, 0.15), Network(4, 0.1, life=BUSY_LIFE, reliability=FRAGILE)],
    ids=["default", "everything happens"],
)
def test_truth__at_any_instant__explains_every_published_status(network: Network) -> None:
    truth = network.truth(DEFAULT_START, DEFAULT_START + DAYS_10)
    sessions, outages = by_evse(truth)
    statuses = set()
    for step in range(60):
        at = DEFAULT_START + DAYS_10 * step / 60
        for slug in ("koeln", "calw", "hof"):
            published = {
                evse["uid"]: evse["status"]
                for station in json.loads(network.answer(slug, at))["data"]
                for evse in station["evses"]
            }
            statuses.update(published.values())
            wrong = {
                uid: (status, wanted)
                for uid, status in published.items()
                if (wanted := expected_status(sessions[uid], outages[uid], at)) != status
            }
            assert not wrong
    assert {"AVAILABLE", "CHARGING", "UNKNOWN"} <= statuses


def test_truth__of_absent_stations__explains_why_they_are_not_published() -> None:
    network = Network(4, 0.3, life=BUSY_LIFE)
    _, outages = by_evse(network.truth(DEFAULT_START, DEFAULT_START + DAYS_10, ["koeln"]))
    at = DEFAULT_START + timedelta(days=6)
    whole = {evse["uid"] for evse in published_evses(network, DEFAULT_START)}
    missing = whole - {evse["uid"] for evse in published_evses(network, at)}
    assert missing
    assert all(expected_status([], outages[uid], at) is None for uid in missing)


def published_evses(network: Network, at: datetime) -> list[dict]:
    stations = json.loads(network.answer("koeln", at))["data"]
    return [evse for station in stations for evse in station["evses"]]


def test_truth__of_two_adjacent_windows__agrees_about_sessions_across() -> None:
    network = Network(9, 0.3, reliability=FRAGILE, life=BUSY_LIFE)
    middle, end = DEFAULT_START + timedelta(days=3, hours=5), DEFAULT_START + DAYS_10
    whole = Network(9, 0.3, reliability=FRAGILE, life=BUSY_LIFE).truth(DEFAULT_START, end)
    parts = network.truth(middle, end).sessions, network.truth(DEFAULT_START, middle).sessions
    assert set(parts[0]) | set(parts[1]) == set(whole.sessions)
    across = set(parts[0]) & set(parts[1])
    assert across
    assert all((s.reserved_at or s.started_at) < middle < s.free_at for s in across)


def test_truth__of_an_evse__has_separate_sessions() -> None:
    truth = Network(9, 0.3).truth(DEFAULT_START, DEFAULT_START + timedelta(days=30))
    for sessions in by_evse(truth)[0].values():
        for one, following in pairwise(sessions):
            assert one.free_at < (following.reserved_at or following.started_at)
        for session in sessions:
            assert (session.reserved_at or session.started_at) <= session.started_at
            assert session.started_at < session.ended_at <= session.free_at


def test_truth__with_given_dwell__has_that_mean() -> None:
    minutes = {"ac": 240.0, "dc": 35.0, "hpc": 20.0}
    network = Network(
        2,
        demand=Demand(mean_dwell_min=minutes),
        reliability=Reliability.perfect(),
        life=Life.still(),
    )
    truth = network.truth(DEFAULT_START, DEFAULT_START + timedelta(days=7))
    dwell: dict[str, list[float]] = defaultdict(list)
    for session in truth.sessions:
        length = session.ended_at - session.started_at
        dwell[session.power_class].append(length / timedelta(minutes=1))
        assert 0 < session.energy_kwh <= session.max_power_kw * length / timedelta(hours=1) + 0.001
        assert not session.is_cut
    means = {name: sum(values) / len(values) for name, values in dwell.items()}
    assert means == pytest.approx(minutes, rel=0.05)


def test_truth__with_outages__ends_sessions_and_starts_none_within() -> None:
    network = Network(2, 0.2, reliability=Reliability(outages_per_year=40))
    truth = network.truth(DEFAULT_START, DEFAULT_START + timedelta(days=20))
    sessions, outages = by_evse(truth)
    assert any(session.is_cut for session in truth.sessions)
    for uid, broken in outages.items():
        for outage in broken:
            if outage.reason == "outage":
                assert not any(
                    s.started_at < outage.ended_at and s.free_at > outage.started_at
                    for s in sessions[uid]
                )


def test_truth__of_an_empty_period__is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        Network(scale=0.05).truth(DEFAULT_START, DEFAULT_START)

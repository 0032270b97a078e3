"""The network as a whole: counts, determinism, time, statuses, the envelope."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from charging_assets.simulator import (
    DEFAULT_START,
    Demand,
    Life,
    Network,
    Reliability,
    UnknownPlace,
)

SMALL = 0.05
NEAR, DAY = DEFAULT_START, timedelta(days=1)
STATUSES = {
    "AVAILABLE", "CHARGING", "RESERVED", "BLOCKED", "OUTOFORDER", "INOPERATIVE", "UNKNOWN",
}  # fmt: skip


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(seed=1)


@pytest.fixture(scope="module")
def whole(network: Network) -> list[dict]:
    """Every station's record at the default start, at 1×."""
    return [
        station
        for slug in network.slugs
        for station in json.loads(network.answer(slug, DEFAULT_START))["data"]
    ]


def evses_of(stations: list[dict]) -> list[dict]:
    return [evse for station in stations for evse in station["evses"]]


def test_answer__at_default_start_of_1x__has_exactly_the_real_counts(
    network: Network, whole: list[dict]
) -> None:
    evses = evses_of(whole)
    connectors = [connector for evse in evses for connector in evse["connectors"]]
    assert (len(whole), len(evses), len(connectors)) == (1162, 2428, 2811)
    assert network.counts(DEFAULT_START) == (1162, 2428, 2811)
    assert len(network.slugs) == 38
    for ids in (
        [station["id"] for station in whole],
        [evse["uid"] for evse in evses],
        [evse["id"] for evse in evses],
        [connector["id"] for connector in connectors],
    ):
        assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"DE\*[A-Z0-9]{3}\*E\d{5}\*\d{3}", evse["id"]) for evse in evses)
    assert all(evse["uid"].isdigit() for evse in evses)


def test_answer__of_places__has_their_share_of_stations(network: Network) -> None:
    counts = {
        slug: len(json.loads(network.answer(slug, DEFAULT_START))["data"])
        for slug in ("koeln", "dortmund", "bonn", "zirndorf")
    }
    assert counts == {"koeln": 168, "dortmund": 160, "bonn": 89, "zirndorf": 1}


@pytest.mark.parametrize("seed", [2, 77])
def test_counts__of_another_seed__are_the_same(seed: int) -> None:
    assert Network(seed).counts(DEFAULT_START) == (1162, 2428, 2811)


def test_counts__at_another_whole_at__are_complete() -> None:
    later = DEFAULT_START + timedelta(days=400, hours=5)
    assert Network(whole_at=later).counts(later) == (1162, 2428, 2811)


def test_counts__at_scale_2__are_doubled_and_contain_the_first_layer() -> None:
    once, twice = Network(scale=1), Network(scale=2)
    assert twice.counts(DEFAULT_START) == (2324, 4856, 5622)
    one = json.loads(once.answer("calw", DEFAULT_START))["data"]
    two = json.loads(twice.answer("calw", DEFAULT_START))["data"]
    assert two[: len(one)] == one
    assert len(two) == 2 * len(one)


def test_counts__at_a_small_scale__leave_a_station_everywhere() -> None:
    network = Network(scale=0.001)
    assert network.counts(DEFAULT_START)[0] == 38


def test_answer__of_the_same_seed__is_the_same_in_any_order() -> None:
    times = [DEFAULT_START + timedelta(hours=7 * step, seconds=13) for step in range(30)]
    one, other = Network(5, SMALL), Network(5, SMALL)
    forward = [one.answer("bonn", at) for at in times]
    backward = [other.answer("bonn", at) for at in reversed(times)]
    assert forward == backward[::-1]
    assert len(set(forward)) > 10


def test_answer__of_another_seed__differs() -> None:
    answers = {Network(seed, SMALL).answer("bonn", DEFAULT_START) for seed in (1, 2, 3)}
    assert len(answers) == 3


@pytest.mark.parametrize(
    ("at", "stamp"),
    [
        ("2022-01-11T20:58:22", "2022-01-11T21:58:22+01:00"),
        ("2025-03-30T00:59:59", "2025-03-30T01:59:59+01:00"),
        ("2025-03-30T01:00:00", "2025-03-30T03:00:00+02:00"),
        ("2025-10-26T00:30:00", "2025-10-26T02:30:00+02:00"),
        ("2025-10-26T01:30:00", "2025-10-26T02:30:00+01:00"),
    ],
)
def test_answer__around_dst__has_local_time_with_its_offset(at: str, stamp: str) -> None:
    network = Network(scale=0.001)
    envelope = json.loads(network.answer("hof", datetime.fromisoformat(at).replace(tzinfo=UTC)))
    assert envelope["timestamp"] == stamp
    assert (envelope["status_code"], envelope["status_message"]) == (1000, "Success")
    assert list(envelope) == ["data", "status_code", "status_message", "timestamp"]


def test_answer__in_2022__has_the_fields_of_2022(whole: list[dict]) -> None:
    assert list(whole[0]) == [
        "id", "name", "address", "city", "postal_code", "country", "directions", "coordinates",
        "distance_in_m", "operator", "opening_times", "owner", "roaming", "evses",
    ]  # fmt: skip
    assert {"uid", "id", "status", "capabilities", "connectors"} <= set(evses_of(whole)[0])


def test_answer__in_2024__has_the_added_fields() -> None:
    network = Network(scale=SMALL, edition="2024")
    stations = json.loads(network.answer("koeln", DEFAULT_START))["data"]
    assert {"status", "comment", "tariffZones"} <= set(stations[0])
    assert "operatorId" in stations[0]["operator"]
    for evse in evses_of(stations):
        assert evse["reservable"] == ("RESERVABLE" in evse["capabilities"])


def test_answer__at_1x__has_about_the_real_power_and_sensors(whole: list[dict]) -> None:
    evses = evses_of(whole)
    power = Counter(float(c["max_power"]) for evse in evses for c in evse["connectors"])
    assert power[22.0] > 2000
    assert power[3.0] > 350
    assert power[11.0] > 180
    assert power[50.0] > 60
    assert power[150.0] > 10
    assert power[300.0] >= 4
    sensors = [evse["parkingsensor_status"] for evse in evses if "parkingsensor_status" in evse]
    assert 0.025 < len(sensors) / len(evses) < 0.05
    assert set(sensors) <= {"AVAILABLE", "OCCUPIED"}


def test_answer__of_an_evse__has_the_same_status_at_every_connector(whole: list[dict]) -> None:
    for evse in evses_of(whole):
        assert {connector["status"] for connector in evse["connectors"]} == {evse["status"]}


def test_answer__with_overrides__leaves_second_connectors_free() -> None:
    network = Network(scale=0.3, overrides=1.0)
    evses = evses_of(
        json.loads(network.answer("koeln", DEFAULT_START + timedelta(hours=12)))["data"]
    )
    statuses = {(e["status"], *sorted(c["status"] for c in e["connectors"])) for e in evses}
    assert ("CHARGING", "AVAILABLE", "CHARGING") in statuses


def test_statuses__over_a_week__have_a_day_curve_and_plausible_shares() -> None:
    network = Network(seed=3, scale=0.4)
    shares: Counter[str] = Counter()
    by_hour = {hour: Counter() for hour in range(24)}
    word = re.compile(rb'"id": "DE\*[^"]*", "status": "([A-Z]+)"')
    for step in range(7 * 12):
        at = DEFAULT_START + timedelta(hours=2 * step)
        hour = at.astimezone(ZoneInfo("Europe/Berlin")).hour
        for slug in ("koeln", "dortmund", "calw", "goettingen"):
            statuses = Counter(status.decode() for status in word.findall(network.answer(slug, at)))
            shares += statuses
            by_hour[hour] += statuses
    assert STATUSES - {"INOPERATIVE"} <= set(shares) <= STATUSES
    assert 0.13 < occupancy(shares) < 0.21
    assert occupancy(by_hour[5]) < 0.08
    assert occupancy(by_hour[17]) > 0.22
    assert 0.01 < shares["UNKNOWN"] / shares.total() < 0.045
    assert 0.001 < shares["BLOCKED"] / shares.total() < 0.02
    assert 0.001 < shares["RESERVED"] / shares.total() < 0.02
    assert shares["OUTOFORDER"] + shares["INOPERATIVE"] < 0.02 * shares.total()


def occupancy(statuses: Counter[str]) -> float:
    used = statuses["CHARGING"] + statuses["RESERVED"] + statuses["BLOCKED"]
    return used / (used + statuses["AVAILABLE"])


def test_answer__of_an_unknown_place__names_the_places() -> None:
    with pytest.raises(UnknownPlace, match="koeln"):
        Network(scale=SMALL).answer("atlantis", DEFAULT_START)


@pytest.mark.parametrize("at", [datetime(2025, 1, 1), datetime(2020, 12, 31, 23, tzinfo=UTC)])
def test_answer__at_an_impossible_time__is_refused(at: datetime) -> None:
    with pytest.raises(ValueError, match=r"aware time|begins at"):
        Network(scale=SMALL).answer("hof", at)


def test_network__with_a_mix__has_these_shares_of_power_classes() -> None:
    mixed = Network(3, 2.0, mix={"ac": 0.5, "dc": 0.25, "hpc": 0.25})
    stations = [s for slug in mixed.slugs for s in json.loads(mixed.answer(slug, NEAR))["data"]]
    connectors = [c for evse in evses_of(stations) for c in evse["connectors"]]
    assert len({connector["id"] for connector in connectors}) == len(connectors)
    classes = Counter(session.power_class for session in mixed.truth(NEAR, NEAR + DAY).sessions)
    assert set(classes) == {"ac", "dc", "hpc"}
    direct = [
        evse
        for evse in evses_of(stations)
        if any(connector["power_type"] == "DC" for connector in evse["connectors"])
    ]
    assert len(direct) / len(evses_of(stations)) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("mix", [{"ac": 1.0}, {"ac": 0.5, "dc": 0.5, "hpc": 0.5}])
def test_network__of_an_impossible_mix__is_refused(mix: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a mix gives shares of ac, dc, hpc"):
        Network(1, 0.1, mix=mix)


def test_network__of_scale_zero__is_refused() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        Network(scale=0)


def test_network__without_changes_failures_and_demand__answers_only_available() -> None:
    no_demand = Demand(arrivals_per_day={"ac": 0, "dc": 0, "hpc": 0})
    network = Network(
        scale=SMALL, demand=no_demand, life=Life.still(), reliability=Reliability.perfect()
    )
    answers = [
        json.loads(network.answer("koeln", DEFAULT_START + timedelta(hours=step)))["data"]
        for step in range(0, 400, 40)
    ]
    assert all(answer == answers[0] for answer in answers)
    assert {evse["status"] for evse in evses_of(answers[0])} == {"AVAILABLE"}

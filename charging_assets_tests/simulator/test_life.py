"""Changes over the years: each kind occurs at about its rate, or not at all."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import timedelta

import pytest

from charging_assets.simulator import DEFAULT_START, Life, Network

YEAR = timedelta(days=365)
STEPS = 40


def stations(network: Network, step: int, slug: str = "koeln") -> dict[str, dict]:
    at = DEFAULT_START + YEAR * step / STEPS
    return {station["id"]: station for station in json.loads(network.answer(slug, at))["data"]}


@pytest.fixture(scope="module")
def year() -> list[dict[str, dict]]:
    network = Network(seed=2, life=Life(renames=0.1, replacements=0.1, relabels_per_evse=0.1))
    return [stations(network, step) for step in range(STEPS)]


def test_life__over_a_year__renames_stations_and_changes_nothing_else(
    year: list[dict[str, dict]],
) -> None:
    names = defaultdict(set)
    addresses = defaultdict(set)
    for snapshot in year:
        for number, station in snapshot.items():
            names[number].add(station["name"])
            addresses[number].add(station["address"])
    assert 5 <= sum(len(versions) == 2 for versions in names.values()) <= 40
    assert all(len(versions) == 1 for versions in addresses.values())


def test_life__over_a_year__relabels_evses_that_keep_their_uid(
    year: list[dict[str, dict]],
) -> None:
    labels = defaultdict(set)
    owners = defaultdict(set)
    for snapshot in year:
        for station in snapshot.values():
            for evse in station["evses"]:
                labels[evse["uid"]].add(evse["id"])
                owners[evse["id"]].add(evse["uid"])
    assert 10 <= sum(len(ids) == 2 for ids in labels.values()) <= 80
    assert all(len(uids) == 1 for uids in owners.values())


def test_life__over_a_year__replaces_stations_after_some_days(
    year: list[dict[str, dict]],
) -> None:
    gone = set(year[0]) - set(year[-1])
    new = set(year[-1]) - set(year[0])
    assert len(gone) >= 5
    assert len(new) >= 5
    assert min(len(snapshot) for snapshot in year) < len(year[0]) == 168


def test_life__over_a_year__has_absent_stations_that_return(
    year: list[dict[str, dict]],
) -> None:
    returned = set()
    for number in set(year[0]) & set(year[-1]):
        if any(number not in snapshot for snapshot in year):
            returned.add(number)
    assert 5 <= len(returned) <= 60


def test_life__over_a_year__swaps_connectors_and_withdraws_reservable(
    year: list[dict[str, dict]],
) -> None:
    orders, capabilities = defaultdict(set), defaultdict(set)
    for snapshot in year:
        for station in snapshot.values():
            for evse in station["evses"]:
                orders[evse["uid"]].add(tuple(c["id"] for c in evse["connectors"]))
                capabilities[evse["uid"]].add("RESERVABLE" in evse["capabilities"])
    swapped = [evse_orders for evse_orders in orders.values() if len(evse_orders) > 1]
    assert swapped
    assert all(sorted(one) == sorted(other) for one, other in swapped)
    assert any(len(states) == 2 for states in capabilities.values())
    assert any(states == {False} for states in capabilities.values())


def test_life__without_changes__changes_no_description() -> None:
    network = Network(seed=2, scale=0.2, life=Life.still())
    descriptions = {
        json.dumps(
            [
                (station["id"], station["name"], evse["id"], [c["id"] for c in evse["connectors"]])
                for station in stations(network, step).values()
                for evse in station["evses"]
            ]
        )
        for step in range(0, STEPS, 6)
    }
    assert len(descriptions) == 1


def test_life__with_an_impossible_rate__is_refused() -> None:
    with pytest.raises(ValueError, match="renames"):
        Life(renames=1.5)

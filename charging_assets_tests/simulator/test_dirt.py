"""Dirt and hostile records: there when wanted, and only then."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from charging_assets.simulator import DEFAULT_START, Network
from charging_assets.simulator.hostile import KINDS


def whole(network: Network) -> list[dict]:
    return [
        station
        for slug in network.slugs
        for station in json.loads(network.answer(slug, DEFAULT_START))["data"]
    ]


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts(part)


def untidy(text: str) -> bool:
    return text != text.strip() or "  " in text


@pytest.fixture(scope="module")
def dirty() -> list[dict]:
    return whole(Network())


@pytest.fixture(scope="module")
def clean() -> list[dict]:
    return whole(Network(dirt=False))


def test_dirt__by_default__is_like_the_real_one(dirty: list[dict]) -> None:
    evses = [evse for station in dirty for evse in station["evses"]]
    connectors = [connector for evse in evses for connector in evse["connectors"]]
    hours = [h for s in dirty for h in s["opening_times"].get("regular_hours", [])]
    assert 0.1 < sum(untidy(station["address"]) for station in dirty) / len(dirty) < 0.2
    assert any("  " in station["name"].strip() for station in dirty)
    assert any(station["postal_code"].endswith(" ") for station in dirty)
    assert {station["country"] for station in dirty} == {"DE", "DEU"}
    assert {station["owner"] for station in dirty} == {"", None}
    assert None in {station["directions"] for station in dirty}
    assert {"", None, "-"} <= {evse["physical_reference"] for evse in evses}
    assert "holiday" in {entry["weekday"] for entry in hours}
    assert {len(entry["period_begin"]) for entry in hours} == {5, 8}
    assert {type(connector["max_power"]) for connector in connectors} == {int, str}
    assert {type(connector["ampere"]) for connector in connectors} == {int, str}
    assert any(c["ampere"] == "0" and c["voltage"] == "0" for c in connectors)
    assert 3 in {connector["max_power"] for connector in connectors}


def test_dirt__switched_off__leaves_the_same_network_clean(
    clean: list[dict], dirty: list[dict]
) -> None:
    assert not [text for text in texts(clean) if untidy(text)]
    assert {station["country"] for station in clean} == {"DE"}
    assert {station["owner"] for station in clean} == {None}
    evses = [evse for station in clean for evse in station["evses"]]
    assert {evse["physical_reference"] for evse in evses} == {""}
    powers = {connector["max_power"] for evse in evses for connector in evse["connectors"]}
    assert 3.7 in powers
    assert 3 not in powers
    assert [station["id"] for station in clean] == [station["id"] for station in dirty]
    assert [s["name"] for s in clean] == [" ".join(s["name"].split()) for s in dirty]


def test_hostile__by_default__is_off(dirty: list[dict]) -> None:
    assert all(isinstance(station["id"], str) for station in dirty)
    assert Network().hostile_kinds("koeln", DEFAULT_START) == []


@pytest.mark.parametrize("kind", KINDS)
def test_hostile__of_each_kind__leaves_the_neighbours_as_they_were(kind: str) -> None:
    good = Network(scale=0.05).answer("bonn", DEFAULT_START)
    network = Network(scale=0.05, hostile=[kind])
    bad = network.answer("bonn", DEFAULT_START)
    assert network.hostile_kinds("bonn", DEFAULT_START) == [kind]
    records = good.removeprefix(b'{"data": [').partition(b'], "status_code"')[0]
    assert records in bad
    assert len(bad) > len(good)
    envelope = json.loads(bad)
    assert envelope["status_code"] == 1000
    assert len(envelope["data"]) > len(json.loads(good)["data"])


def test_hostile__with_numbers_that_are_none__publishes_them_as_such() -> None:
    answer = Network(scale=0.05, hostile=["nan", "too_large_number"]).answer("hof", DEFAULT_START)
    assert b"NaN" in answer
    assert b"1e999" in answer
    latitudes = [station["coordinates"]["latitude"] for station in json.loads(answer)["data"]]
    assert any(isinstance(value, float) and math.isnan(value) for value in latitudes)


def test_hostile__of_all_kinds__shows_others_every_hour() -> None:
    network = Network(scale=0.05, hostile=True)
    seen = {
        kind
        for hour in range(48)
        for kind in network.hostile_kinds("hof", DEFAULT_START + timedelta(hours=hour))
    }
    assert seen == set(KINDS)
    assert network.answer("hof", DEFAULT_START) == Network(scale=0.05, hostile=True).answer(
        "hof", DEFAULT_START
    )


def test_hostile__of_an_unknown_kind__is_refused() -> None:
    with pytest.raises(ValueError, match="no hostile kind"):
        Network(scale=0.05, hostile=["sabotage"]).answer("hof", DEFAULT_START)

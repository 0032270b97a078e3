"""Data quality defects and hostile records, switched on and off."""

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


def is_untidy(text: str) -> bool:
    return text != text.strip() or "  " in text


@pytest.fixture(scope="module")
def dirty() -> list[dict]:
    return whole(Network())


@pytest.fixture(scope="module")
def clean() -> list[dict]:
    return whole(Network(dirt=False))


def test_dirt__by_default__is_like_real_answers(dirty: list[dict]) -> None:
    evses = [evse for station in dirty for evse in station["evses"]]
    connectors = [connector for evse in evses for connector in evse["connectors"]]
    hours = [h for s in dirty for h in s["opening_times"].get("regular_hours", [])]
    assert 0.1 < sum(is_untidy(station["address"]) for station in dirty) / len(dirty) < 0.2
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


def test_dirt__switched_off__gives_the_same_network_without_defects(
    clean: list[dict], dirty: list[dict]
) -> None:
    assert not [text for text in texts(clean) if is_untidy(text)]
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
def test_hostile__of_each_kind__leaves_other_records_unchanged(kind: str) -> None:
    clean = Network(scale=0.05).answer("bonn", DEFAULT_START)
    network = Network(scale=0.05, hostile=[kind])
    hostile = network.answer("bonn", DEFAULT_START)
    assert network.hostile_kinds("bonn", DEFAULT_START) == [kind]
    records = clean.removeprefix(b'{"data": [').partition(b'], "status_code"')[0]
    assert records in hostile
    assert len(hostile) > len(clean)
    envelope = json.loads(hostile)
    assert envelope["status_code"] == 1000
    assert len(envelope["data"]) > len(json.loads(clean)["data"])


def test_hostile__with_invalid_numbers__publishes_them_verbatim() -> None:
    answer = Network(scale=0.05, hostile=["nan", "too_large_number"]).answer("hof", DEFAULT_START)
    assert b"NaN" in answer
    assert b"1e999" in answer
    latitudes = [station["coordinates"]["latitude"] for station in json.loads(answer)["data"]]
    assert any(isinstance(value, float) and math.isnan(value) for value in latitudes)


def test_hostile__of_all_kinds__changes_every_hour() -> None:
    network = Network(scale=0.05, hostile=True)
    kinds = {
        kind
        for hour in range(48)
        for kind in network.hostile_kinds("hof", DEFAULT_START + timedelta(hours=hour))
    }
    assert kinds == set(KINDS)
    assert network.answer("hof", DEFAULT_START) == Network(scale=0.05, hostile=True).answer(
        "hof", DEFAULT_START
    )


def test_hostile__of_an_unknown_kind__is_refused() -> None:
    with pytest.raises(ValueError, match="no hostile kind"):
        Network(scale=0.05, hostile=["sabotage"]).answer("hof", DEFAULT_START)

"""Which of several records with one key counts, and the cost of the choice."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from charging_assets.archive.identities import FeedIdentity
from charging_assets.preprocessing import flatten as flattening
from charging_assets.preprocessing.duplicates import find_duplicates
from charging_assets.preprocessing.stations import StationReader
from charging_assets.sources import kind
from charging_assets_tests.builders import connector, envelope, evse, flattened, poll, station
from charging_assets_tests.preprocessing.flat_hours import assert_sound, rows

Records = list[dict[str, Any]]


def _count_calls(function: Callable[[], object]) -> int:
    """The calls that a function makes in all, of Python and of C; not the time, which varies."""
    count = 0

    def note(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


def _count_choice(records: Records) -> int:
    reader = StationReader(FeedIdentity("test"), kind("chargecloud"))
    fragments = [msgspec.Raw(json.dumps(record).encode()) for record in records]
    stations = [reader.read(fragment, "koeln") for fragment in fragments]
    return _count_calls(
        lambda: find_duplicates(stations, fragments, reader.evses, reader.connectors)
    )


def _evses_of_one_uid(number: int) -> Records:
    return [station("s", [evse("e", [connector(str(n))]) for n in range(number)])]


def _evses_of_one_uid_that_only_json_separates(number: int) -> Records:
    return [station("s", [evse("e", [], directions=[n]) for n in range(number)])]


def _connectors_of_one_id(number: int) -> Records:
    return [station("s", [evse("e", [connector("c") for _ in range(number)])])]


def _stations_listed_twice(number: int) -> Records:
    return [station(f"s{n}", [evse(f"e{n}")]) for n in range(number)] * 2


def _evses_at_two_stations(number: int) -> Records:
    return [
        station(name, [evse(f"e{n}", [], directions=[name]) for n in range(number)])
        for name in ("a", "b")
    ]


@pytest.mark.parametrize(
    "make",
    [
        _evses_of_one_uid,
        _evses_of_one_uid_that_only_json_separates,
        _connectors_of_one_id,
        _stations_listed_twice,
        _evses_at_two_stations,
    ],
)
def test_duplicates__twice_the_input_takes_twice_the_calls(make: Callable[[int], Records]) -> None:
    once, twice = (_count_choice(make(number)) for number in (150, 300))
    assert twice <= 2.3 * once


def test_duplicates__of_stations_listed_twice_nothing_is_parsed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("a record was parsed again, although bytes are equal")

    reader = StationReader(FeedIdentity("test"), kind("chargecloud"))
    fragments = [msgspec.Raw(json.dumps(record).encode()) for record in _stations_listed_twice(3)]
    stations = [reader.read(fragment, "koeln") for fragment in fragments]
    monkeypatch.setattr("charging_assets.sources.tolerant.record", refuse)
    losers = find_duplicates(stations, fragments, reader.evses, reader.connectors)
    assert [sorted(pointers)[:1] for pointers in losers] == [[], [], [], [""], [""], [""]]


def test_flatten__of_an_unchanged_answer_the_choice_is_not_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choices = []

    def count_call(*parameters: Any) -> Any:
        choices.append(parameters)
        return find_duplicates(*parameters)

    monkeypatch.setattr(flattening, "find_duplicates", count_call)
    same = [station("a", [evse("e", [])]), station("b", [evse("e", [])])]
    other = [station("a", [evse("e", [], status="REMOVED")]), same[1]]
    single = [station("a", [evse("e", [])]), station("b", [evse("f", [])])]
    bodies = [same, same, other, other, single, single, same]
    hour = flattened(
        *[(poll(number), {"koeln": envelope(*body)}) for number, body in enumerate(bodies)]
    )
    assert_sound(hour)
    assert len(choices) == 3
    rejects = {row["slot_at"].minute: row["pointer"] for row in rows(hour, "flat_rejects")}
    at_b, at_a = "/data/1/evses/0", "/data/0/evses/0"
    assert [rejects.get(minute) for minute in range(7)] == [
        at_b, at_b, at_a, at_a, None, None, at_b,
    ]  # fmt: skip

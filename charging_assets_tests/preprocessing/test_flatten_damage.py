"""Damage in a record affects only the damaged part."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.preprocessing.flatten import FlatHour, flatten
from charging_assets_tests.builders import (
    answers,
    connector,
    envelope,
    evse,
    flattened,
    poll,
    station,
)
from charging_assets_tests.preprocessing.flat_hours import (
    TABLES,
    Rows,
    assert_like_the_reference,
    assert_sound,
    codes,
    one,
    rows,
)
from charging_assets_tests.preprocessing.made_answers import JUNK

LEFT, RIGHT = station("left"), station("right")


def neighbours(hour: FlatHour) -> dict[str, Rows]:
    """The rows that two good stations must have, whatever stands between them."""
    kept: dict[str, Rows] = {}
    for name in TABLES[1:5]:
        ids = [
            key
            for key in ("station_id", "evse_uid", "connector_id")
            if key in hour[name].schema.names
        ]
        kept[name] = [
            row
            for row in rows(hour, name)
            if any(str(row[key]).startswith(("left", "right")) for key in ids)
        ]
    return kept


def between(fragment: bytes) -> bytes:
    left, right = (json.dumps(record).encode() for record in (LEFT, RIGHT))
    body = envelope(data="HERE")
    return body.replace(b'"HERE"', b"[" + left + b", " + fragment + b", " + right + b"]")


UNDISTURBED = neighbours(flattened((poll(), {"koeln": envelope(LEFT, RIGHT)})))

GOOD = json.dumps(station("mid")).encode()
DAMAGE = {
    "nan": GOOD.replace(b'"50.940991"', b"NaN"),
    "infinity": GOOD.replace(b'"50.940991"', b"-Infinity"),
    "too_large_real": GOOD.replace(b'"50.940991"', b"1e999"),
    "10^400": GOOD.replace(b'"50.940991"', b"1" + b"0" * 400),
    "10^10000": GOOD.replace(b'"50.940991"', b"1" + b"0" * 10_000),
    "leading_zero": GOOD.replace(b'"50.940991"', b"050"),
    "double_key": GOOD.replace(b'"name"', b'"name": "x", "name"'),
    "double_id": GOOD.replace(b'"id"', b'"id": "x", "id"', 1),
    "lone_surrogate": GOOD.replace(b"Station mid", b"Sta\\ud800tion"),
    "lone_surrogate_as_name": GOOD.replace(b'"owner"', b'"\\udfff": NaN, "owner"'),
    "lone_surrogates_as_names": GOOD.replace(b'"owner"', b'"\\udfff": 1, "\\udffe": 2, "owner"'),
    "bad_utf8": GOOD.replace(b"Station mid", b"Sta\xff\xc3tion"),
    "bad_utf8_as_name": GOOD.replace(b'"owner"', b'"\xff": 1, "owner"'),
    "bad_utf8_and_surrogate": GOOD.replace(b'"owner"', b'"\xff": 1, "\\ud800": 2, "owner"'),
    "escaped_nul": GOOD.replace(b"Station mid", b"Sta\\u0000tion"),
    "escaped_nul_as_id": GOOD.replace(b'"mid"', b'"mi\\u0000d"'),
    "escaped_nul_as_name": GOOD.replace(b'"owner"', b'"coordinates\\u0000x": 1, "owner"'),
    "escaped_nul_in_nan": GOOD.replace(b'"owner"', b'"a\\u0000b": NaN, "owner"'),
    "raw_nul": GOOD.replace(b"Station mid", b"Sta\x00tion"),
    "raw_newline": GOOD.replace(b"Station mid", b"Sta\r\n\ttion"),
    "raw_newline_and_nan": GOOD.replace(b"Station mid", b"Sta\ntion").replace(
        b'"50.940991"', b"NaN"
    ),
    "bad_escape": GOOD.replace(b"Station mid", b"Sta\\qtion"),
    "bare_word": GOOD.replace(b'"owner": null', b'"owner": undefined'),
    "no_colon": GOOD.replace(b'"owner":', b'"owner"'),
    "empty": b"",
    "deep_lists": GOOD.replace(b'"owner": null', b'"owner": ' + b"[" * 5000 + b"]" * 5000),
    "deep_objects": GOOD.replace(
        b'"owner": null', b'"owner": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000
    ),
    "very_deep": GOOD.replace(b'"owner": null', b'"x": ' + b"[" * 200_000 + b"]" * 200_000),
    "list_as_record": b"[" + GOOD + b"]",
    "text_as_record": b'"' + b"x" * 5000 + b'"',
    "number_as_record": b"1e999",
    "long_name": GOOD.replace(b'"owner"', b'"' + "ö".encode() * 5000 + b'": NaN, "owner"'),
    "very_long_name": GOOD.replace(b'"owner"', b'"' + b"\\u0001" * 100_000 + b'": 1, "owner"'),
    "long_id": GOOD.replace(b'"mid"', b'"' + b"1" * 129 + b'"'),
    "brackets_in_text": GOOD.replace(b"Station mid", b'Sta]}\\"[{,:tion').replace(
        b'"50.940991"', b"NaN"
    ),
}


@pytest.mark.fault(
    "NaN, 1e999, duplicate keys, wrong types, invalid JSON",
    "the record is rejected with its reason, or its field is null; other records are unaffected",
    area="answers",
)
@pytest.mark.parametrize("damage", DAMAGE)
def test_flatten__damage_in_a_record_costs_no_neighbour(damage: str) -> None:
    hour = flattened((poll(), {"koeln": between(DAMAGE[damage])}))
    assert_sound(hour)
    assert neighbours(hour) == UNDISTURBED
    row = one(hour, "flat_polls")
    assert (row["outcome"], row["station_count"]) == ("ok", 3)


@pytest.mark.parametrize("damage", sorted(set(DAMAGE) - {"double_key", "double_id"}))
def test_flatten__damage_in_a_record_is_recorded(damage: str) -> None:
    hour = flattened((poll(), {"koeln": between(DAMAGE[damage])}))
    is_clean = damage in {"escaped_nul", "escaped_nul_as_id", "lone_surrogates_as_names"}
    is_drift = one(hour, "flat_polls")["unknown_fields"] is not None
    assert (
        is_clean or is_drift or any(pointer.startswith("/data/1") for _, pointer, _ in codes(hour))
    )


@pytest.mark.parametrize(
    "kept", ["nan", "10^400", "lone_surrogate", "bad_utf8", "raw_newline", "raw_nul", "10^10000"]
)
def test_flatten__a_bad_value_nulls_its_field_alone(kept: str) -> None:
    hour = flattened((poll(), {"koeln": between(DAMAGE[kept])}))
    row = one(hour, "flat_stations", station_id="mid")
    assert (row["longitude"], row["address"]) == (6.992267, "Musterweg 1")
    assert one(hour, "flat_status", evse_uid="mid-e")["status"] == "AVAILABLE"


def test_flatten__damage_elsewhere_in_a_record_does_not_change_its_key() -> None:
    number = 123_456_789_012_345_678_901
    sound = flattened((poll(), {"koeln": envelope(station(number, []))}))
    broken = envelope(station(number, [], coordinates={"latitude": math.nan}))
    damaged = flattened((poll(), {"koeln": broken}))
    keys = [one(hour, "flat_stations")["station_key"] for hour in (sound, damaged)]
    assert keys[0] == keys[1]
    assert one(sound, "flat_stations")["station_id"] == str(number)


@settings(max_examples=120)
@given(JUNK)
def test_flatten__any_value_as_a_record_costs_no_neighbour(value: Any) -> None:
    hour = flattened((poll(), {"koeln": envelope(LEFT, value, RIGHT)}))
    assert_sound(hour)
    assert neighbours(hour) == UNDISTURBED


def _at(parts: list[Any], path: tuple[Any, ...], value: Any) -> None:
    target: Any = parts
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value)
    paths = [path] if path else []
    for name, member in members:
        is_nested = isinstance(member, dict | list)
        paths += _paths(member, (*path, name)) if is_nested else [(*path, name)]
    return paths


PATHS = _paths([station("mid", [evse("mid-e", [connector("mid-c")])])])


@settings(max_examples=150)
@given(st.sampled_from(PATHS), JUNK)
def test_flatten__any_value_anywhere_in_a_record_costs_no_neighbour(
    path: tuple[Any, ...], value: Any
) -> None:
    parts = [station("mid", [evse("mid-e", [connector("mid-c")])])]
    _at(parts, path, value)
    places = answers((poll(), {"koeln": envelope(LEFT, *parts, RIGHT)}))
    hour = assert_like_the_reference(places)
    assert_sound(hour)
    assert neighbours(hour) == UNDISTURBED


def test_flatten__depth_of_the_caller_does_not_change_the_rows() -> None:
    """What is too deep is a matter of the record, not of how far down the stack it is read."""

    def at_depth(depth: int, call: Callable[[], Any]) -> Any:
        return call() if depth == 0 else at_depth(depth - 1, call)

    nested = [
        b'{"id": "d%d", "x": %b%b}' % (levels, b"[" * levels, b"]" * levels)
        for levels in range(50, 1000, 50)
    ]
    body = envelope(data="HERE").replace(b'"HERE"', b"[" + b", ".join(nested) + b"]")
    places = answers((poll(), {"koeln": body}))
    shallow, deep = flatten(places), at_depth(150, lambda: flatten(places))
    assert all(shallow[name].equals(deep[name]) for name in TABLES)
    assert 0 < shallow["flat_stations"].num_rows < len(nested)

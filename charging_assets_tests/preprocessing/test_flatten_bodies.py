"""Damage around the records: bodies that are not an answer, and unusual envelopes."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.preprocessing.flatten import flatten
from charging_assets_tests.builders import (
    MISSING,
    SLOT,
    answers,
    envelope,
    flattened,
    poll,
    station,
)
from charging_assets_tests.preprocessing.flat_hours import assert_sound, codes, one, polled, rows
from charging_assets_tests.preprocessing.made_answers import JUNK

LEFT, RIGHT = station("left"), station("right")


@settings(max_examples=100)
@given(
    st.sampled_from(["data", "status_code", "status_message", "timestamp", "\ud800", "x" * 70_000]),
    JUNK,
)
def test_flatten__any_value_anywhere_in_an_envelope_does_not_crash(name: str, value: Any) -> None:
    places = answers(
        (poll(), {"bonn": envelope(LEFT, RIGHT), "koeln": envelope(LEFT, **{name: value})})
    )
    hour = flatten(places)
    assert_sound(hour)
    assert len(polled(hour, place="bonn")) == 2


@settings(max_examples=100)
@given(
    st.one_of(
        st.binary(max_size=50),
        st.tuples(st.integers(0, 400), st.integers(0, 400), st.binary(max_size=4)).map(
            lambda cut: envelope(LEFT)[: cut[0]] + cut[2] + envelope(LEFT)[cut[1] :]
        ),
    )
)
def test_flatten__any_bytes_as_a_body_cost_no_other_answer(body: bytes) -> None:
    good = envelope(LEFT, RIGHT)
    hour = flattened(
        (poll(0), {"bonn": good, "koeln": good}),
        (poll(10), {"bonn": good, "koeln": body}),
        (poll(20), {"bonn": good, "koeln": good}),
    )
    assert_sound(hour)
    assert len(rows(hour, "flat_polls")) == 6
    assert len(polled(hour, place="bonn")) == 6
    for minute in (0, 20):
        slot = SLOT.replace(tzinfo=None) + timedelta(minutes=minute)
        assert len(polled(hour, place="koeln", slot_at=slot)) == 2


@pytest.mark.fault(
    "HTML, a truncated answer, or an answer of another schema",
    area="answers",
)
@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (b"", "", "not_json"),
        (b"<html>", "", "not_json"),
        (b"null", "", "bad_envelope"),
        (b'{"data": [', "", "not_json"),
        (b'{"data": []', "", "not_json"),
        (b'{"data": []} {"data": []}', "", "not_json"),
        (b'{"data": [}]', "", "not_json"),
        (b'{"timestamp": "x"}', "/data", "bad_envelope"),
        (b'{"data": {"0": {}}}', "/data", "bad_envelope"),
        (b'{"data": [], "status_code": 2000}', "/status_code", "api_status"),
        (b'{"data": [], "status_code": NaN}', "/status_code", "api_status"),
        (b"[" * 100_000, "", "too_deep"),
        (b"[" * 100_000 + b"]" * 100_000, "", "too_deep"),
    ],
)
def test_flatten__a_body_that_is_not_an_answer_is_a_bad_body(
    body: bytes, pointer: str, code: str
) -> None:
    hour = flattened((poll(), {"koeln": body}))
    assert_sound(hour)
    assert one(hour, "flat_polls")["outcome"] == "bad_body"
    assert codes(hour) == [("poll", pointer, code)]
    kept = one(hour, "flat_rejects")["fragment"]
    assert kept == body[:1024].decode()


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + envelope(station()),
        b"\xef\xbb\xbf" + envelope(station(name="HERE")).replace(b"HERE", b"\xff"),
        envelope(station(), status_code="1000"),
        envelope(station(), status_code=None),
        envelope(station(), status_code=MISSING),
        envelope(station(), at=math.nan),
        envelope(station(), HERE=1).replace(b"HERE", b"\xff"),
        envelope(station(), HERE=1).replace(b"HERE", b"\\ud800"),
        envelope(station(), HERE=1).replace(b'"HERE"', b"\n" + b'"' + b"x" * 100_000 + b'"'),
        envelope(station(), x=0).replace(b'"x": 0', b'"x": ' + b"[" * 9000 + b"]" * 9000),
    ],
)
def test_flatten__damage_beside_the_stations_costs_none_of_them(body: bytes) -> None:
    hour = flattened((poll(), {"koeln": body}))
    assert_sound(hour)
    assert one(hour, "flat_polls")["outcome"] == "ok"
    assert one(hour, "flat_status")["status"] == "AVAILABLE"

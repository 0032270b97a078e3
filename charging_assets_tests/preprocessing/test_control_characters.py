"""Control and bidirectional characters in published data: no table has them unescaped."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging_assets.preprocessing.clean import strip_control_json
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.schemas.table import Type
from charging_assets.text import strip_control
from charging_assets_tests.builders import connector, envelope, evse, flattened, poll, station
from charging_assets_tests.preprocessing.flat_hours import assert_sound, codes, one, rows

UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
HOSTILE = [
    "\x00",
    "\x1b",
    "\x07",
    "\x9b",
    "\u061c",
    "\u200e",
    "\u200f",
    "\u202e",
    "\u2066",
    "\u2069",
]


def _unsafe_texts(hour: Any) -> list[tuple[str, str, Any]]:
    unsafe_texts = []
    for table in FLAT_TABLES:
        for column in table.columns:
            if column.type is Type.TEXT:
                for row in rows(hour, table.name):
                    text = row[column.name]
                    if text is not None and UNSAFE.search(text.replace("\n", "")):
                        unsafe_texts.append((table.name, column.name, text))
    return unsafe_texts


@pytest.mark.parametrize("hostile", HOSTILE)
def test_flatten__no_table_holds_a_control_character(hostile: str) -> None:
    dirty = f"a{hostile}b"
    named = {dirty: {dirty: [dirty]}}
    record = station(
        dirty,
        [evse(dirty, [connector(dirty, status=dirty, **named)], capabilities=[dirty], **named)],
        name=f"{hostile}{dirty}",
        opening_times={"regular_hours": dirty, **named},
        **named,
    )
    bad = evse(None, [], **named)
    body = envelope(record, station("t", [bad, bad]), dirty, at=dirty, **named)
    hour = flattened((poll(), {"koeln": body}), (poll(10), {"koeln": body[:-3]}))
    assert_sound(hour)
    assert _unsafe_texts(hour) == []
    extra = json.loads(one(hour, "flat_stations", station_id=strip(dirty))["extra"])
    assert strip(dirty) in extra
    assert rows(hour, "flat_rejects") != []


def strip(dirty: str) -> str:
    return " ".join(strip_control(dirty).split())


def test_flatten__ids_that_differ_by_such_characters_alone_are_duplicates() -> None:
    twins = [evse("e", []), evse("\u202ee\x00", [])]
    hour = flattened((poll(), {"koeln": envelope(station("s", twins))}))
    assert_sound(hour)
    assert one(hour, "flat_status")["evse_uid"] == "e"
    assert codes(hour) == [("evse", "/data/0/evses/1", "duplicate_key")]


def test_flatten__a_rejected_body_is_escaped_in_its_fragment() -> None:
    hour = flattened((poll(), {"koeln": b"<html>\x1b[2J\xc2\x9b\xe2\x80\xae"}))
    assert one(hour, "flat_rejects")["fragment"] == "<html>\\u001b[2J\\u009b\\u202e"


def test_tidy_json__names_that_become_equal_do_not_depend_on_their_order() -> None:
    published = {"a\x00": 1, "a": 2, "\u202ea": 3}
    assert (
        strip_control_json(published)
        == strip_control_json(dict(reversed(published.items())))
        == {"a": 3}
    )


@given(st.text())
def test_strip_control__leaves_no_such_character_and_changes_no_other_text(text: str) -> None:
    stripped = strip_control(text)
    assert not UNSAFE.search(stripped)
    assert (stripped == text) == (UNSAFE.search(text) is None)

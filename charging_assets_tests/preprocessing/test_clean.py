"""Cleaners: what each makes of what has been published, and of anything else."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.preprocessing.clean import (
    STATUSES,
    BadValue,
    boolean,
    canonical,
    cleaner,
    country,
    degrees,
    identifier,
    number,
    opening_hours,
    quantity,
    sensor,
    status,
    text,
    texts,
)
from charging_assets.schemas import flat
from charging_assets.schemas.table import Column, Type

COLUMNS = [
    *(flat.STATION_ID, flat.EVSE_UID, flat.CONNECTOR_ID, flat.STATUS, flat.PARKING_STATUS),
    *flat.STATION_ATTRIBUTES[:-1],
    *flat.EVSE_ATTRIBUTES[2:-1],
    *flat.CONNECTOR_ATTRIBUTES[2:-1],
]


def period(weekday: Any, begin: Any = "07:00", end: Any = "18:00") -> dict[str, Any]:
    return {"weekday": weekday, "period_begin": begin, "period_end": end}


@pytest.mark.parametrize(
    ("clean", "published", "expected"),
    [
        (text(9), "  a \r\n\t b\u00a0c ", "a b c"),
        (text(9), "", None),
        (text(9), " \n ", None),
        (text(9), "a\x00b", "a b"),
        (text(9), "\x00", None),
        (text(9), 42, "42"),
        (text(9), 42.5, "42.5"),
        (text(9), "äöüß", "äöüß"),
        (text(8), "ääää", "ääää"),
        (text(9, upper=True), " ac_3 ", "AC_3"),
        (sensor(9), "-", None),
        (sensor(9), " occupied ", "OCCUPIED"),
        (sensor(9), "", None),
        (status, "CHARGING", "CHARGING"),
        (status, " charging ", "CHARGING"),
        (status, "", None),
        (country, "DE", "DE"),
        (country, "DEU", "DE"),
        (country, " deu ", "DE"),
        (country, "USA", "USA"),
        (country, "", None),
        (number, 22, 22.0),
        (number, "22", 22.0),
        (number, " 3.70 ", 3.7),
        (number, "1e2", 100.0),
        (number, "", None),
        (number, "  ", None),
        (number, 0, 0.0),
        (quantity, "-22.5", -22.5),
        (quantity, 1e9, 1e9),
        (quantity, " ", None),
        (degrees(90), "50.94099149", 50.940991),
        (degrees(90), 90, 90.0),
        (degrees(90), "", None),
        (boolean, True, True),
        (boolean, 0, False),
        (boolean, " TRUE ", True),
        (boolean, "1", True),
        (boolean, " ", None),
        (identifier(9), " 00447 ", "00447"),
        (identifier(9), 447, "447"),
        (texts(99), ["B", " A", "B", "", None, 3], '["3","A","B"]'),
        (texts(99), [], "[]"),
        (
            opening_hours(999),
            [period("holiday"), period("2", "7:00"), period(1, "07:00:00", "24:00:00")],
            '[{"period_begin":"07:00","period_end":"24:00","weekday":1},'
            '{"period_begin":"07:00","period_end":"18:00","weekday":2},'
            '{"period_begin":"07:00","period_end":"18:00","weekday":"holiday"}]',
        ),
    ],
)
def test_clean__what_can_be_cleaned_is(clean: Any, published: Any, expected: Any) -> None:
    found = clean(published)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("clean", "published", "code"),
    [
        (text(9), True, "not_text"),
        (text(9), [], "not_text"),
        (text(9), {}, "not_text"),
        (text(9), "x" * 10, "too_long"),
        (text(9), "ä" * 5, "too_long"),
        (status, "ON_FIRE", "unknown_status"),
        (status, 1, "unknown_status"),
        (status, ["CHARGING"], "not_text"),
        (country, "D", "not_a_country"),
        (country, "D1", "not_a_country"),
        (country, "Deutschland", "too_long"),
        (number, "22,0", "not_a_number"),
        (number, "1_000", "not_a_number"),
        (number, "22 kW", "not_a_number"),
        (number, "NaN", "not_a_number"),
        (number, math.inf, "not_a_number"),
        (number, "-inf", "not_a_number"),
        (number, "1e999", "not_a_number"),
        (number, 10**400, "not_a_number"),
        (number, True, "not_a_number"),
        (number, [1], "not_a_number"),
        (quantity, "32 A", "not_a_number"),
        (quantity, "3200000000", "out_of_range"),
        (quantity, -1e308, "out_of_range"),
        (degrees(90), "90.000001", "out_of_range"),
        (degrees(90), -91, "out_of_range"),
        (boolean, 2, "not_a_boolean"),
        (boolean, "ja", "not_a_boolean"),
        (boolean, 1.0, "not_a_boolean"),
        (boolean, [], "not_a_boolean"),
        (identifier(9), "", "missing_key"),
        (identifier(9), " \x00 ", "missing_key"),
        (identifier(9), 1.5, "not_an_id"),
        (identifier(9), False, "not_text"),
        (identifier(9), "1" * 10, "too_long"),
        (texts(99), "RFID", "not_a_list"),
        (texts(99), {"0": "RFID"}, "not_a_list"),
        (texts(99), [["RFID"]], "not_text"),
        (texts(9), ["A" * 9], "too_long"),
        (opening_hours(99), {}, "not_a_list"),
        (opening_hours(99), ["24/7"], "not_opening_hours"),
        (opening_hours(99), [period(0)], "not_opening_hours"),
        (opening_hours(99), [period(8)], "not_opening_hours"),
        (opening_hours(99), [period(True)], "not_opening_hours"),
        (opening_hours(99), [period(1, "25:00")], "not_opening_hours"),
        (opening_hours(99), [period(1, "24:30")], "not_opening_hours"),
        (opening_hours(99), [period(1, "07:60")], "not_opening_hours"),
        (opening_hours(99), [period(1, "0٧:00")], "not_opening_hours"),
        (opening_hours(99), [period(1, None)], "not_opening_hours"),
        (opening_hours(99), [{"weekday": 1}], "not_opening_hours"),
        (opening_hours(9), [period(1)], "too_long"),
    ],
)
def test_clean__what_cannot_be_cleaned_is_refused_by_code(
    clean: Any, published: Any, code: str
) -> None:
    for _ in range(2):
        with pytest.raises(BadValue) as refusal:
            clean(published)
        assert refusal.value.code == code


def test_degrees__have_no_negative_zero() -> None:
    found = [number(-0.0), number("-0"), degrees(90)(-0.0), degrees(90)("-0.0000001")]
    assert [str(each) for each in found] == ["0.0"] * 4


def test_status__knows_the_nine_of_ocpi() -> None:
    assert len(STATUSES) == 9
    assert all(status(known) == known for known in STATUSES)


def test_text__one_cleaner_does_not_answer_for_another() -> None:
    """Whatever cleaners remember, lengths and case are each one's own."""
    wide, narrow, upper = text(99), text(3), text(99, upper=True)
    assert wide("abcd") == "abcd"
    with pytest.raises(BadValue):
        narrow("abcd")
    assert upper("abcd") == "ABCD"
    assert wide("abcd") == "abcd"


def test_text__tells_a_number_from_its_text_no_more_than_its_reader() -> None:
    clean = text(9)
    assert [clean(1), clean("1"), clean(1.0)] == ["1", "1", "1.0"]


def test_canonical__is_one_spelling() -> None:
    assert canonical({"b": 1, "a": [None, "ä"]}) == '{"a":[null,"ä"],"b":1}'
    with pytest.raises(BadValue, match="too_long"):
        canonical("xx", 3)
    with pytest.raises(BadValue, match="not_representable"):
        canonical("\ud800")


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**30), 10**30),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=20),
        st.sampled_from([10**400, "1e999", "ß" * 300, "x" * 70_000, "ǆ", "ﬁ", "ΐ", "\x1c"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=5), inner, max_size=4),
        st.fixed_dictionaries({"weekday": inner, "period_begin": inner, "period_end": inner}),
    ),
    max_leaves=10,
)


@settings(max_examples=40)
@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
@given(published=JSON)
def test_clean__any_value_is_cleaned_within_its_column_or_refused(
    column: Column, published: Any
) -> None:
    clean = cleaner(column)
    if published is None:
        return
    try:
        found = clean(published)
    except BadValue:
        return
    if found is None:
        return
    if column.type is Type.TEXT:
        assert isinstance(found, str)
        assert 0 < len(found.encode()) <= column.length
        assert "\x00" not in found
    else:
        assert type(found) is {Type.DOUBLE: float, Type.BOOLEAN: bool}[column.type]
        assert column.type is Type.BOOLEAN or math.isfinite(found)
    # Clean already: cleaning it again changes nothing.
    assert clean(json.loads(found) if column.is_json else found) == found


@settings(max_examples=100)
@given(st.sampled_from([c for c in COLUMNS if c.type is Type.TEXT and not c.is_json]), st.text())
def test_clean__texts_are_idempotent(column: Column, published: str) -> None:
    clean = cleaner(column)
    try:
        found = clean(published)
    except BadValue:
        return
    assert found is None or clean(found) == found
    assert found is None or found == " ".join(found.split())

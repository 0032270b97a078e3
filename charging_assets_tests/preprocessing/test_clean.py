"""Cleaners: clean values of published values and of arbitrary input."""

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

AMPERE, VOLTAGE, POWER = (
    cleaner(column)
    for column in flat.CONNECTOR_ATTRIBUTES
    if column.name in {"ampere", "voltage", "max_power_kw"}
)
LATITUDE, LONGITUDE = (
    cleaner(column)
    for column in flat.STATION_ATTRIBUTES
    if column.name in {"latitude", "longitude"}
)
POWER_IN_W = quantity("kW", 0.5, 1500, published_in="W")
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
        (number, "22,0", 22.0),
        (number, "150,0", 150.0),
        (number, "22,08", 22.08),
        (number, "1,500", 1.5),
        (number, "1.500", 1.5),
        (number, "1.500,5", 1500.5),
        (number, "1,500.5", 1500.5),
        (number, "1.234.567", 1234567.0),
        (number, "1,234,567.25", 1234567.25),
        (number, "1 500", 1500.0),
        (number, "1\u202f500,5", 1500.5),
        (number, "1\u00a0234\u00a0567", 1234567.0),
        (number, "1'500", 1500.0),
        (number, "1,5e2", 150.0),
        (number, "-0,5", -0.5),
        (number, "\u22120.5", -0.5),
        (number, ".5", 0.5),
        (POWER, 22, 22.0),
        (POWER, "150,0", 150.0),
        (POWER, "22 kW", 22.0),
        (POWER, "22kW", 22.0),
        (POWER, " 22,08\u00a0KW ", 22.08),
        (POWER, "22000 W", 22.0),
        (POWER, "7.400,5 Watt", 7.4005),
        (POWER, "1.2 MW", 1200.0),
        (POWER, 0.5, 0.5),
        (POWER, 1000, 1000.0),
        (POWER, 1500, 1500.0),
        (POWER, " ", None),
        (POWER, 0, None),
        (POWER, "0.0", None),
        (POWER, "-0 kW", None),
        (POWER_IN_W, 7400, 7.4),
        (POWER_IN_W, "3680", 3.68),
        (POWER_IN_W, "22 kW", 22.0),
        (POWER_IN_W, 1_500_000, 1500.0),
        (POWER_IN_W, 0, None),
        (AMPERE, "32 A", 32.0),
        (AMPERE, 3000, 3000.0),
        (AMPERE, "0", None),
        (VOLTAGE, "230 V", 230.0),
        (VOLTAGE, "0,4 kV", 400.0),
        (VOLTAGE, 1500, 1500.0),
        (quantity("A", published_in="mA"), 32_000, 32.0),
        (LATITUDE, "50.94099149", 50.940991),
        (LATITUDE, "50,94099149", 50.940991),
        (LATITUDE, "50.94°", 50.94),
        (LATITUDE, 90, 90.0),
        (LATITUDE, 0, 0.0),
        (LATITUDE, "", None),
        (LONGITUDE, -180, -180.0),
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
    cleaned = clean(published)
    assert (cleaned, type(cleaned)) == (expected, type(expected))


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
        (number, "22,0,0", "not_a_number"),
        (number, "1.234,567,8", "not_a_number"),
        (number, "1,2.3", "not_a_number"),
        (number, "12 34", "not_a_number"),
        (number, "11-22", "not_a_number"),
        (number, "-", "not_a_number"),
        (number, "n/a", "not_a_number"),
        (number, "infinity", "not_a_number"),
        (number, "9" * 65, "not_a_number"),
        (number, "1_000", "not_a_number"),
        (number, "22 kW", "not_a_number"),
        (number, "NaN", "not_a_number"),
        (number, math.inf, "not_a_number"),
        (number, "-inf", "not_a_number"),
        (number, "1e999", "not_a_number"),
        (number, 10**400, "not_a_number"),
        (number, True, "not_a_number"),
        (number, [1], "not_a_number"),
        (POWER, 22000, "out_of_range"),
        (POWER, "22000", "out_of_range"),
        (POWER, 7590, "out_of_range"),
        (POWER, 1500.1, "out_of_range"),
        (POWER, 0.022, "out_of_range"),
        (POWER, -22, "out_of_range"),
        (POWER, "22,000 W", "out_of_range"),
        (POWER, 1e308, "out_of_range"),
        (POWER, "1e308 MW", "out_of_range"),
        (POWER, "22 V", "wrong_unit"),
        (POWER, "22 hp", "wrong_unit"),
        (POWER, "22 mW", "wrong_unit"),
        (POWER, "kW", "not_a_number"),
        (POWER, True, "not_a_number"),
        (POWER_IN_W, 22, "out_of_range"),
        (POWER_IN_W, 7_590_000, "out_of_range"),
        (AMPERE, "32 V", "wrong_unit"),
        (AMPERE, "3200000000", "out_of_range"),
        (AMPERE, 32_000, "out_of_range"),
        (AMPERE, -16, "out_of_range"),
        (VOLTAGE, 400_000, "out_of_range"),
        (VOLTAGE, 0.4, "out_of_range"),
        (VOLTAGE, -1e308, "out_of_range"),
        (LATITUDE, "90.000001", "out_of_range"),
        (LATITUDE, -91, "out_of_range"),
        (LATITUDE, 50_940_991, "out_of_range"),
        (LONGITUDE, 180.1, "out_of_range"),
        (LONGITUDE, "6.9 A", "wrong_unit"),
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
    cleaned = [number(-0.0), number("-0"), LATITUDE(-0.0), LATITUDE("-0.0000001")]
    assert [str(each) for each in cleaned] == ["0.0"] * 4


def test_quantity__of_a_unit_that_does_not_convert_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown unit 'hp'; the units are W, kW, MW, mA"):
        quantity("kW", published_in="hp")
    with pytest.raises(ValueError, match="A cannot be converted to kW"):
        quantity("kW", published_in="A")


def test_cleaner__of_a_column_without_a_unit_converts_nothing() -> None:
    with pytest.raises(ValueError, match="column status has no unit"):
        cleaner(flat.STATUS, "W")


def _group_digits(digits: str, mark: str) -> str:
    head = len(digits) % 3
    return mark.join(
        [digits[:head]] * bool(head) + [digits[n : n + 3] for n in range(head, len(digits), 3)]
    )


@given(
    whole=st.integers(0, 10**12),
    part=st.text("0123456789", max_size=6),
    sign=st.sampled_from(["", "-", "+"]),
    style=st.sampled_from(
        [("", "."), ("", ","), (" ", "."), (" ", ","), (".", ","), (",", "."), ("'", "."),
         ("\u202f", ","), ("\u00a0", ","), ("\u2019", ".")]
    ),
    unit=st.sampled_from(["", "kW", " kW", "\u00a0KW"]),
)  # fmt: skip
def test_number__is_read_in_the_spelling_of_any_country(
    whole: int, part: str, sign: str, style: tuple[str, str], unit: str
) -> None:
    mark, point = style
    written = _group_digits(str(whole), mark) if mark else str(whole)
    # A single mark with no decimal part after it is the decimal mark.
    if mark in {".", ","} and written.count(mark) == 1 and not part:
        part = "0"
    written = sign + written + (point + part if part else "")
    expected = float(f"{sign}{whole}.{part or 0}")
    assert number(written) == expected
    assert quantity("kW")(written + unit) == expected


@settings(max_examples=300)
@given(
    st.one_of(
        st.text(),
        st.from_regex(r"[-+]?[0-9][0-9., '’]{0,12}(e[-+]?[0-9]{1,3})? ?[kKmM]?[WAVwav]?"),
        st.integers(),
        st.floats(),
        st.booleans(),
    )
)
def test_number__any_value_is_a_finite_number_null_or_a_bad_value(published: Any) -> None:
    for clean in (number, quantity("kW"), POWER, POWER_IN_W, LATITUDE):
        try:
            cleaned = clean(published)
        except BadValue:
            continue
        assert cleaned is None or (type(cleaned) is float and math.isfinite(cleaned))


@given(st.floats(0.5, 1500))
def test_quantity__converts_and_back(power: float) -> None:
    assert POWER(repr(power)) == POWER(power) == power
    assert POWER_IN_W(power * 1000) == pytest.approx(min(max(power, 0.5), 1500))


@given(st.one_of(st.floats(max_value=0, exclude_max=True), st.floats(1500, exclude_min=True)))
def test_quantity__outside_of_its_range_is_never_a_value(power: float) -> None:
    with pytest.raises(BadValue):
        POWER(power)


def test_status__knows_the_nine_of_ocpi() -> None:
    assert len(STATUSES) == 9
    assert all(status(each) == each for each in STATUSES)


def test_text__one_cleaner_does_not_answer_for_another() -> None:
    """Whatever cleaners remember, lengths and case are each one's own."""
    wide, narrow, upper = text(99), text(3), text(99, upper=True)
    assert wide("abcd") == "abcd"
    with pytest.raises(BadValue):
        narrow("abcd")
    assert upper("abcd") == "ABCD"
    assert wide("abcd") == "abcd"


def test_text__a_number_and_its_text_are_equal() -> None:
    clean = text(9)
    assert [clean(1), clean("1"), clean(1.0)] == ["1", "1", "1.0"]


def test_canonical__is_one_spelling() -> None:
    assert canonical({"b": 1, "a": [None, "ä"]}, 99) == '{"a":[null,"ä"],"b":1}'
    with pytest.raises(BadValue, match="too_long"):
        canonical("xx", 3)
    with pytest.raises(BadValue, match="not_representable"):
        canonical("\ud800", 99)


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
        cleaned = clean(published)
    except BadValue:
        return
    if cleaned is None:
        return
    if column.type is Type.TEXT:
        assert isinstance(cleaned, str)
        assert 0 < len(cleaned.encode()) <= column.length
        assert "\x00" not in cleaned
    else:
        assert type(cleaned) is {Type.DOUBLE: float, Type.BOOLEAN: bool}[column.type]
        assert column.type is Type.BOOLEAN or math.isfinite(cleaned)
    # Clean already: cleaning it again changes nothing.
    assert clean(json.loads(cleaned) if column.is_json else cleaned) == cleaned


@settings(max_examples=100)
@given(st.sampled_from([c for c in COLUMNS if c.type is Type.TEXT and not c.is_json]), st.text())
def test_clean__texts_are_idempotent(column: Column, published: str) -> None:
    clean = cleaner(column)
    try:
        cleaned = clean(published)
    except BadValue:
        return
    assert cleaned is None or clean(cleaned) == cleaned
    assert cleaned is None or cleaned == " ".join(cleaned.split())

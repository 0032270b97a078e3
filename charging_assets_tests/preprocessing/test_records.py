"""Records to clean values by their map, and fields that the map does not list."""

from __future__ import annotations

from typing import Any

import pytest

from charging_assets.preprocessing.records import RecordReader
from charging_assets.schemas.table import flag, number, text
from charging_assets.sources import RecordMap

MAP = RecordMap(
    columns={"thing_name": "name", "is_open": "hours.open", "power_kw": "power"},
    children="parts",
    ignored=frozenset({"noise"}),
)
COLUMNS = (
    text("thing_name", 9, "name"),
    number("power_kw", "power"),
    text("unmapped", 9, "of another kind"),
    flag("is_open", "open"),
)


@pytest.fixture
def reader() -> RecordReader:
    return RecordReader(MAP, COLUMNS, "/*")


def read(reader: RecordReader, record: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    reports: list[Any] = []
    return reader.read(record, lambda *report: reports.append(report)), reports


def extra(reader: RecordReader, record: dict[str, Any]) -> tuple[str | None, list[Any]]:
    reports: list[Any] = []
    shape = reader.shape(record)
    return reader.extra(record, shape, lambda *report: reports.append(report)), reports


def test_read__gives_values_in_the_order_of_the_columns(reader: RecordReader) -> None:
    record = {"power": "22", "hours": {"open": 1}, "name": " a  b ", "parts": [1], "noise": 2}
    assert read(reader, record) == (["a b", 22.0, None, True], [])


@pytest.mark.parametrize("record", [{}, {"name": None, "hours": None}, {"hours": {}}, {"name": ""}])
def test_read__missing_values_are_null_and_not_reported(
    reader: RecordReader, record: dict[str, Any]
) -> None:
    assert read(reader, record) == ([None] * 4, [])


def test_read__reports_each_bad_field_and_keeps_the_others(reader: RecordReader) -> None:
    record = {"name": [], "power": "x", "hours": {"open": "maybe"}}
    values, reports = read(reader, record)
    assert values == [None] * 4
    assert sorted(reports) == [
        ("/hours/open", "not_a_boolean", "maybe"),
        ("/name", "not_text", []),
        ("/power", "not_a_number", "x"),
    ]


@pytest.mark.parametrize("hours", [[], [{"open": True}], "24/7", 1, ""])
def test_read__a_group_that_is_no_object_is_reported(reader: RecordReader, hours: Any) -> None:
    values, reports = read(reader, {"name": "a", "hours": hours})
    assert values == ["a", None, None, None]
    assert reports == [("/hours", "not_an_object", hours)]


@pytest.mark.fault(
    "Fields are added, removed or renamed",
    area="answers",
)
def test_shape__lists_unknown_fields(reader: RecordReader) -> None:
    shape = reader.shape(
        {"name": 1, "noise": 2, "parts": [], "a/b": 3, "hours": {"open": 1, "~": 2}, "x": {"y": 1}}
    )
    assert set(shape.pointers) == {
        "/*/name", "/*/noise", "/*/parts", "/*/a~1b", "/*/hours", "/*/hours/open", "/*/hours/~0",
        "/*/x",
    }  # fmt: skip
    assert sorted(shape.unknown_pointers) == ["/*/a~1b", "/*/hours/~0", "/*/x"]


@pytest.mark.fault(
    "Fields are added, removed or renamed",
    "unknown fields are kept, removed fields are null, and the drift is reported",
    area="answers",
)
def test_extra__keeps_unknown_fields_with_values(reader: RecordReader) -> None:
    record = {"z": [1], "name": "a", "b": None, "a": {"y": None}, "hours": {"open": 1, "note": "n"}}
    assert extra(reader, record) == ('{"a":{"y":null},"hours":{"note":"n"},"z":[1]}', [])


@pytest.mark.parametrize("record", [{}, {"b": None}, {"hours": {"note": None}}, {"noise": 1}])
def test_extra__is_null_without_unknown_values(
    reader: RecordReader, record: dict[str, Any]
) -> None:
    assert extra(reader, record) == (None, [])


@pytest.mark.parametrize("name", ["", "hours\x00note", "\x00", "hours.open", "name\x1f", "parts "])
def test_extra__takes_any_name(reader: RecordReader, name: str) -> None:
    extra_json, reports = extra(reader, {name: 1, "hours": {name: 2}})
    assert extra_json is not None
    assert reports == []


def test_extra__that_is_too_long_is_reported(reader: RecordReader) -> None:
    assert extra(reader, {"a": "x" * 70_000}) == (None, [("", "extra_too_long", None)])


def test_shape__is_of_the_record_at_hand(reader: RecordReader) -> None:
    """What was met before does not answer for a record with the same names in another place."""
    assert extra(reader, {"hours": {"a": 1}})[0] == '{"hours":{"a":1}}'
    assert extra(reader, {"hours": 1, "a": 2})[0] == '{"a":2}'
    assert extra(reader, {"hours": {"a": 3}})[0] == '{"hours":{"a":3}}'
    assert extra(reader, {"a": 4, "hours": {}})[0] == '{"a":4}'

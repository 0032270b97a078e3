"""Rows that are collected column by column do not change."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from charging_assets.preprocessing import columns
from charging_assets.preprocessing.columns import Rows
from charging_assets.schemas.render import arrow_schema
from charging_assets.schemas.table import Table, key, text


def table(*order: str) -> Table:
    return Table(
        schema="staging",
        name="flat_things",
        grain="one row per thing",
        key=("thing_key",),
        columns=(key("thing_key", "thing"), text("feed", 9, "feed"), text("place", 9, "place")),
        order=order,
    )


BY_FEED, BY_KEY = table("feed", "place"), table("thing_key", "place")


def test_rows__tuples_are_a_value_a_row_and_all_else_is_for_each() -> None:
    rows = Rows(BY_FEED)
    rows.extend(2, thing_key=(1, 2), feed="f", place=None)
    rows.extend(0, thing_key=(), feed="g", place="p")
    rows.extend_rows([(3, "g", "p")])
    rows.extend_rows([])
    assert rows.table().to_pylist() == [
        {"thing_key": 1, "feed": "f", "place": None},
        {"thing_key": 2, "feed": "f", "place": None},
        {"thing_key": 3, "feed": "g", "place": "p"},
    ]


def test_rows__none_at_all_is_an_empty_table_of_the_schema() -> None:
    for each in (BY_FEED, BY_KEY):
        table = Rows(each).table()
        assert table.num_rows == 0
        assert table.schema.equals(arrow_schema(each))


def test_rows__a_missing_column_is_refused() -> None:
    with pytest.raises(KeyError):
        Rows(BY_FEED).extend(1, thing_key=1, feed="f")


def test_rows__a_value_of_the_wrong_type_is_refused() -> None:
    rows = Rows(BY_FEED)
    rows.extend(1, thing_key="one", feed="f", place="p")
    with pytest.raises((pa.ArrowInvalid, pa.ArrowTypeError)):
        rows.table()


def _many(each: Table) -> pa.Table:
    rows = Rows(each)
    for place in range(4):
        rows.extend(3, thing_key=(30 + place, 10, 2**63 - 1), feed="f", place=str(place))
    return rows.table()


def test_rows__are_sorted_where_the_table_begins_with_a_key() -> None:
    table_rows: list[dict[str, Any]] = _many(BY_KEY).to_pylist()
    assert table_rows == sorted(table_rows, key=lambda row: (row["thing_key"], row["place"]))


@pytest.mark.parametrize("each", [BY_FEED, BY_KEY])
def test_rows__chunks_do_not_show(each: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _many(each)
    monkeypatch.setattr(columns, "_FLUSH_ROWS", 2)
    assert _many(each).equals(whole)
    assert all(column.num_chunks == 1 for column in _many(each).columns)

"""The schema check names every defect, and accepts valid rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from charging_assets.preprocessing.schema_check import find_violations
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.schemas.render import arrow_schema
from charging_assets.schemas.table import Table, at, count, key, text
from charging_assets_tests.builders import SLOT, envelope, flattened, poll, station

TABLE = Table(
    schema="staging",
    name="flat_things",
    grain="one row per thing and slot",
    key=("thing_key", "slot_at"),
    columns=(
        at("slot_at", "slot"),
        key("thing_key", "thing"),
        text("name", 4, "name"),
        count("poll_count", "polls", nullable=True),
    ),
)
NOW = SLOT.replace(tzinfo=None)
SOUND: dict[str, list[Any]] = {
    "slot_at": [NOW, NOW, NOW],
    "thing_key": [1, 2, 3],
    "name": ["ää", None, "abcd"],
    "poll_count": [1, None, 3],
}


def rows(**changes: list[Any]) -> pa.Table:
    return pa.table({**SOUND, **changes}, schema=arrow_schema(TABLE))


def test_violations__of_sound_rows_are_none() -> None:
    assert find_violations(TABLE, rows()) == []
    assert find_violations(TABLE, rows().slice(0, 0)) == []
    assert find_violations(TABLE, pa.concat_tables([rows().slice(0, 1), rows().slice(1)])) == []


def _cast_column(name: str, kind: pa.DataType) -> pa.Table:
    table = rows()
    index = table.schema.names.index(name)
    return table.set_column(index, name, table.column(name).cast(kind))


DEFECTS: dict[str, tuple[Callable[[], pa.Table], list[str]]] = {
    "swapped": (lambda: rows().select(["thing_key", "slot_at", "name", "poll_count"]), ["order"]),
    "missing": (lambda: rows().drop_columns(["name"]), ["name"]),
    "added": (lambda: rows().append_column("other", pa.array([1, 2, 3])), ["other"]),
    "renamed": (
        lambda: rows().rename_columns(["slot_at", "thing_key", "nom", "poll_count"]),
        ["nom", "name"],
    ),
    "wrong_type": (lambda: _cast_column("thing_key", pa.float64()), ["thing_key", "double"]),
    "nanoseconds": (
        lambda: _cast_column("slot_at", pa.timestamp("ns")),
        ["slot_at", "timestamp[ns]"],
    ),
    "null_key": (lambda: rows(thing_key=[1, None, 3]), ["thing_key", "1 null"]),
    "double_key": (lambda: rows(thing_key=[1, 1, 3]), ["(thing_key, slot_at)", "1 duplicate row"]),
    "too_long": (lambda: rows(name=["ääa", "a", "b"]), ["name", "5 bytes"]),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_violations__name_the_defect(defect: str) -> None:
    plant, words = DEFECTS[defect]
    messages = "; ".join(find_violations(TABLE, plant()))
    assert all(word in messages for word in words), messages


def test_violations__name_everything_at_once() -> None:
    broken = rows(thing_key=[None, 1, 1], name=["abcde", None, None])
    assert len(find_violations(TABLE, broken)) == 3


@pytest.mark.parametrize("table", FLAT_TABLES, ids=lambda table: table.name)
def test_violations__of_a_flat_table_with_a_row_twice(table: Table) -> None:
    bad = station("s", latitude=1, coordinates=[])
    flat_table = flattened((poll(), {"koeln": envelope(bad)}))[table.name]
    assert find_violations(table, flat_table) == []
    repeated = pa.concat_tables([flat_table, flat_table])
    assert any("is not unique" in each for each in find_violations(table, repeated))

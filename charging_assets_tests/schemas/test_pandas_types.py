"""dagster-pandas types accept data from the lake, and report a planted defect."""

import dagster as dg
import pyarrow as pa
import pytest

from charging_assets.schemas.flat import FLAT_POLLS, FLAT_TABLES
from charging_assets.schemas.pandas_types import pandas_type
from charging_assets.schemas.render import arrow_schema
from charging_assets.schemas.table import Table, Type

_VALUES = {
    Type.TEXT: "x",
    Type.BOOLEAN: True,
    Type.SMALLINT: 1,
    Type.INTEGER: 1,
    Type.BIGINT: 1,
    Type.DOUBLE: 1.5,
    Type.TIMESTAMP: 0,
}


def _frame(table: Table, *, nulls: bool):
    row = {
        column.name: None if nulls and column.nullable else _VALUES[column.type]
        for column in table.columns
    }
    return pa.Table.from_pylist([row, row], schema=arrow_schema(table)).to_pandas()


def _check(table: Table, frame) -> dg.TypeCheck:
    return dg.check_dagster_type(pandas_type(table), frame)


@pytest.mark.parametrize("table", FLAT_TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize("nulls", [False, True])
def test_pandas_type__takes_rows_as_arrow_gives_them(table, nulls):
    assert _check(table, _frame(table, nulls=nulls)).success


def test_pandas_type__names_a_column_of_another_type():
    frame = _frame(FLAT_POLLS, nulls=False)
    frame["slot_at"] = "yesterday"
    result = _check(FLAT_POLLS, frame)
    assert not result.success
    assert "slot_at" in result.description


def test_pandas_type__names_a_null_where_none_may_be():
    frame = _frame(FLAT_POLLS, nulls=False)
    frame.loc[0, "place"] = None
    result = _check(FLAT_POLLS, frame)
    assert not result.success
    assert "place" in result.description


def test_pandas_type__names_a_missing_column():
    result = _check(FLAT_POLLS, _frame(FLAT_POLLS, nulls=False).drop(columns="outcome"))
    assert not result.success
    assert "outcome" in result.description

"""Convert rows of a Redshift cursor to Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

# By the server's type OID.
_TYPES: dict[int, pa.DataType] = {
    16: pa.bool_(),
    21: pa.int16(),
    23: pa.int32(),
    20: pa.int64(),
    700: pa.float32(),
    701: pa.float64(),
    1082: pa.date32(),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us", tz="UTC"),
}
_NUMERIC = 1700
_TEXT = pa.string()


def arrow_rows(description: Sequence[Sequence[Any]], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """The rows of a cursor. Integer sums, which Redshift returns as NUMERIC, become integers."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(description)
    arrays = [
        _array(int(column[1]), list(values))
        for column, values in zip(description, columns, strict=True)
    ]
    return pa.table(arrays, names=[_name(column[0]) for column in description])


def _name(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _array(oid: int, values: list[Any]) -> pa.Array:
    if oid == _NUMERIC:
        return _numbers(values)
    if oid in _TYPES:
        return pa.array(values, _TYPES[oid])
    return pa.array([None if value is None else str(value) for value in values], _TEXT)


def _numbers(values: list[Decimal | None]) -> pa.Array:
    if all(value is None or value == value.to_integral_value() for value in values):
        return pa.array([None if value is None else int(value) for value in values], pa.int64())
    return pa.array([None if value is None else float(value) for value in values], pa.float64())

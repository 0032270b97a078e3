"""Buffers that collect rows column by column and become Arrow tables of the schema."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Any

import numpy as np
import pyarrow as pa

from charging_assets.schemas.render import arrow_schema
from charging_assets.schemas.table import Table

_FLUSH_ROWS = 50_000


class _Column:
    """The values of one column; a value for many rows is stored once, with a row count."""

    def __init__(self, field: pa.Field) -> None:
        self._field = field
        self._values: list[Any] = []
        self._counts: list[int] = []
        self._has_runs = False

    def extend(self, values: tuple[Any, ...]) -> None:
        self._values.extend(values)
        if self._has_runs:
            self._counts.extend(repeat(1, len(values)))

    def add(self, value: Any, count: int) -> None:
        if not self._has_runs:
            self._counts.extend(repeat(1, len(self._values)))
            self._has_runs = True
        self._values.append(value)
        self._counts.append(count)

    def array(self) -> pa.Array:
        array = pa.array(self._values, self._field.type)
        if not self._has_runs:
            return array
        return array.take(pa.array(np.repeat(np.arange(len(self._counts)), self._counts)))


class Rows:
    """The rows of one table, buffered as lists and converted to Arrow in chunks to limit memory."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._schema, self._names = arrow_schema(table), table.names
        self._chunks: list[pa.RecordBatch] = []
        self._begin()

    def extend(self, count: int, **values: Any) -> None:
        """Add `count` rows: a tuple holds one value per row, anything else applies to all rows."""
        for column, name in zip(self._columns, self._names, strict=True):
            value = values[name]
            if type(value) is tuple:
                column.extend(value)
            else:
                column.add(value, count)
        self._count(count)

    def extend_rows(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows given as tuples in the table's column order."""
        for column, values in zip(self._columns, zip(*rows, strict=True), strict=False):
            column.extend(values)
        self._count(len(rows))

    def table(self) -> pa.Table:
        """All rows, in the table's order."""
        self._flush()
        rows = pa.Table.from_batches(self._chunks, schema=self._schema)
        self._chunks = []
        return _sort(rows, self._table)

    def _begin(self) -> None:
        self._columns = [_Column(field) for field in self._schema]
        self._row_count = 0

    def _count(self, row_count: int) -> None:
        self._row_count += row_count
        if self._row_count >= _FLUSH_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._row_count:
            arrays = [column.array() for column in self._columns]
            self._chunks.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
            self._begin()


def _sort(rows: pa.Table, table: Table) -> pa.Table:
    """Sort by the table's order. Rows arrive by feed, place and slot: a stable sort is enough."""
    first, *_rest = table.order
    if first == "feed" or rows.num_rows == 0:
        return rows.combine_chunks()
    order = np.argsort(rows.column(first).to_numpy(), kind="stable")
    return rows.take(pa.array(order)).combine_chunks()

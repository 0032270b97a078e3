"""Rows gathered column by column, to Arrow.

Belongs here: buffers that become Arrow tables of the schema, in its order. Does not belong here:
what the rows say.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from typing import Any

import numpy as np
import pyarrow as pa

from charging_assets.schemas.render import arrow_schema
from charging_assets.schemas.table import Table

_FLUSH_ROWS = 50_000


class Rows:
    """The rows of one table. Buffered as lists, turned to Arrow by the chunk to bound memory."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._schema = arrow_schema(table)
        self._columns: list[list[Any]] = [[] for _ in table.columns]
        self._chunks: list[pa.RecordBatch] = []

    def extend(self, count: int, **values: Any) -> None:
        """Add `count` rows: a tuple holds a value for each row, anything else is for them all."""
        for column, name in zip(self._columns, self._table.names, strict=True):
            value = values[name]
            column.extend(value if type(value) is tuple else repeat(value, count))
        self._flush_if_full()

    def extend_rows(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Add rows given as tuples in the table's column order."""
        columns = list(zip(*rows, strict=True))
        for column, values in zip(self._columns, columns, strict=False):
            column.extend(values)
        self._flush_if_full()

    def table(self) -> pa.Table:
        """All rows, in the table's order."""
        self._flush()
        gathered = pa.Table.from_batches(self._chunks, schema=self._schema)
        self._chunks = []
        return _ordered(gathered, self._table)

    def _flush_if_full(self) -> None:
        if len(self._columns[0]) >= _FLUSH_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._columns[0]:
            arrays = [
                pa.array(column, field.type)
                for column, field in zip(self._columns, self._schema, strict=True)
            ]
            self._chunks.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
            self._columns = [[] for _ in self._table.columns]


def _ordered(rows: pa.Table, table: Table) -> pa.Table:
    """Sorted by the table's order. Rows come by feed, place and slot, so a stable sort will do."""
    first, *_rest = table.order
    if first == "feed" or rows.num_rows == 0:
        return rows.combine_chunks()
    order = np.argsort(rows.column(first).to_numpy(), kind="stable")
    return rows.take(pa.array(order)).combine_chunks()

"""The output gate of the flat tables: what does not hold is refused before anything is written.

Belongs here: checks of a whole Arrow table against its schema. Does not belong here: checks of
what the values mean (`checks`).

Checked on Arrow, not with dagster-pandas types: those need pandas frames, stop at the first
violation and reject microsecond timestamps. `schemas.pandas_types` renders them for readers.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from charging_assets.schemas.render import arrow_schema
from charging_assets.schemas.table import Table, Type


def violations(table: Table, rows: pa.Table) -> list[str]:
    """Everything in which the rows break the table's schema; empty if nothing does."""
    declared = arrow_schema(table)
    if not rows.schema.equals(declared, check_metadata=False):
        return _differing(rows.schema, declared)
    return [*_nulls(table, rows), *_too_long(table, rows), *_doubles(table, rows)]


def _differing(found: pa.Schema, declared: pa.Schema) -> list[str]:
    missing = [f"{name} is missing" for name in declared.names if name not in found.names]
    other = [f"{name} is not declared" for name in found.names if name not in declared.names]
    mistyped = [
        f"{field.name} is {_said(field)}, declared is {_said(declared.field(field.name))}"
        for field in found
        if field.name in declared.names and not field.equals(declared.field(field.name))
    ]
    order = [f"columns are in the order {found.names}, declared is {declared.names}"]
    return [*missing, *other, *mistyped] or order


def _said(field: pa.Field) -> str:
    return f"{field.type}{'' if field.nullable else ' not null'}"


def _nulls(table: Table, rows: pa.Table) -> list[str]:
    return [
        f"{column.name} has {count} nulls and may have none"
        for column in table.columns
        if not column.nullable and (count := rows.column(column.name).null_count)
    ]


def _too_long(table: Table, rows: pa.Table) -> list[str]:
    found = []
    for column in table.columns:
        if column.type is Type.TEXT and rows.num_rows:
            longest = pc.max(pc.binary_length(rows.column(column.name))).as_py() or 0
            if longest > column.length:
                found.append(
                    f"{column.name} has a text of {longest} bytes, {column.length} is the limit"
                )
    return found


def _doubles(table: Table, rows: pa.Table) -> list[str]:
    distinct = rows.select(list(table.key)).group_by(list(table.key)).aggregate([]).num_rows
    if distinct == rows.num_rows:
        return []
    return [f"({', '.join(table.key)}) is doubled in {rows.num_rows - distinct} rows"]

"""Check flat tables against their schema before anything is written.

The checks run on Arrow, not on dagster-pandas types: those need pandas frames, stop at the first
violation and reject microsecond timestamps. `schemas.pandas_types` offers them to readers.
"""

from __future__ import annotations

import pyarrow as pa

from charging_assets.schemas.render import arrow_schema
from charging_assets.schemas.table import Table, Type


def find_violations(table: Table, rows: pa.Table) -> list[str]:
    """Return every violation of the table's schema as a message; empty if there is none."""
    declared = arrow_schema(table)
    if not rows.schema.equals(declared, check_metadata=False):
        return _schema_differences(rows.schema, declared)
    return [*_nulls(table, rows), *_too_long(table, rows), *_duplicate_keys(table, rows)]


def _schema_differences(actual: pa.Schema, declared: pa.Schema) -> list[str]:
    missing = [f"{name} is missing" for name in declared.names if name not in actual.names]
    undeclared = [f"{name} is not declared" for name in actual.names if name not in declared.names]
    mistyped = [
        f"{field.name} is {_describe_field(field)}, "
        f"declared is {_describe_field(declared.field(field.name))}"
        for field in actual
        if field.name in declared.names and not field.equals(declared.field(field.name))
    ]
    order = [f"columns are in the order {actual.names}, declared is {declared.names}"]
    return [*missing, *undeclared, *mistyped] or order


def _describe_field(field: pa.Field) -> str:
    return f"{field.type}{'' if field.nullable else ' not null'}"


def _nulls(table: Table, rows: pa.Table) -> list[str]:
    return [
        f"{column.name} is required and has {count} nulls"
        for column in table.columns
        if not column.nullable and (count := rows.column(column.name).null_count)
    ]


def _too_long(table: Table, rows: pa.Table) -> list[str]:
    # Late: commands that only read the archive's state do not need it.
    import pyarrow.compute as pc

    problems = []
    for column in table.columns:
        if column.type is Type.TEXT and rows.num_rows:
            longest = pc.max(pc.binary_length(rows.column(column.name))).as_py() or 0
            if longest > column.length:
                problems.append(
                    f"{column.name} has a text of {longest} bytes, the limit is {column.length}"
                )
    return problems


def _duplicate_keys(table: Table, rows: pa.Table) -> list[str]:
    distinct = rows.select(list(table.key)).group_by(list(table.key)).aggregate([]).num_rows
    if distinct == rows.num_rows:
        return []
    return [f"({', '.join(table.key)}) is not unique: {rows.num_rows - distinct} duplicate rows"]

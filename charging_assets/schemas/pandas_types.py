"""dagster-pandas types of the tables, for your own assets that take rows as pandas DataFrames.

The flat tables themselves are checked as Arrow (`preprocessing.schema_check`). pandas takes a
second to import, so this module is imported late: by the IO managers, which validate frames that
they load, and by `charging_assets.frames`, which has the types by name.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

from dagster import DagsterType
from dagster_pandas import PandasColumn, create_dagster_pandas_dataframe_type
from dagster_pandas.constraints import (
    ColumnConstraint,
    ColumnConstraintViolationException,
    NonNullableColumnConstraint,
)

from charging_assets.schemas.table import Column, Table, Type

# numpy kinds after Arrow's to_pandas; integers and booleans with nulls become float and object.
_KINDS = {
    Type.TEXT: "OU",
    Type.BOOLEAN: "bO",
    Type.SMALLINT: "if",
    Type.INTEGER: "if",
    Type.BIGINT: "if",
    Type.DOUBLE: "f",
    Type.TIMESTAMP: "M",
    Type.DATE: "O",
}


class _Kind(ColumnConstraint):
    """Requires a numpy kind that matches the column's type."""

    def __init__(self, column: Column) -> None:
        self.kinds = _KINDS[column.type]
        super().__init__(
            error_description=f"Must be a {column.type.value}", markdown_description=""
        )

    def validate(self, dataframe: Any, column_name: str) -> None:
        dtype = dataframe[column_name].dtype
        if dtype.kind not in self.kinds:
            raise ColumnConstraintViolationException(
                constraint_name=self.name,
                constraint_description=f"{self.error_description}, not {dtype}",
                column_name=column_name,
            )


@cache  # Dagster refuses two types of one name
def pandas_type(table: Table) -> DagsterType:
    """The table as a dagster-pandas DataFrame type: columns, types and nulls as declared."""
    # Beta in the release that the lock pins; without this, each table that is read says so.
    for what in ("Class `PandasColumn`", "Function `create_dagster_pandas_dataframe_type`"):
        warnings.filterwarnings("ignore", message=what)
    return create_dagster_pandas_dataframe_type(
        name=f"{''.join(part.title() for part in table.name.split('_'))}Frame",
        description=f"Grain: {table.grain}.",
        columns=[_column(column) for column in table.columns],
    )


def _column(column: Column) -> PandasColumn:
    constraints: list[ColumnConstraint] = [_Kind(column)]
    if not column.nullable:
        constraints.append(NonNullableColumnConstraint())
    return PandasColumn(column.name, constraints=constraints)

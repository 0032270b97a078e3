"""Render table definitions as DDL for both engines, Arrow schemas and Dagster column schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charging_assets.schemas.table import Column, Table, Type

if TYPE_CHECKING:
    import pyarrow as pa
    from dagster import TableSchema

_SQL = {
    Type.BOOLEAN: "BOOLEAN",
    Type.SMALLINT: "SMALLINT",
    Type.INTEGER: "INTEGER",
    Type.BIGINT: "BIGINT",
    Type.DOUBLE: "DOUBLE PRECISION",
    Type.TIMESTAMP: "TIMESTAMP",
    Type.DATE: "DATE",
}


def sql_type(column: Column) -> str:
    """The column's SQL type, in the spelling of both engines."""
    return f"VARCHAR({column.length})" if column.type is Type.TEXT else _SQL[column.type]


def create_table(table: Table, *, dialect: str) -> str:
    """CREATE TABLE IF NOT EXISTS, with distribution, sort key and encodings on Redshift.

    Keys are not declared. Redshift does not enforce them but relies on them to optimise, and would
    skip the DISTINCT or GROUP BY that finds duplicates; DuckDB would build an index.
    """
    is_redshift = dialect == "redshift"
    lines = [
        f"  {column.name} {sql_type(column)}{'' if column.nullable else ' NOT NULL'}"
        f"{_encoding(table, column) if is_redshift else ''}"
        for column in table.columns
    ]
    body = ",\n".join(lines)
    attributes = _physical(table) if is_redshift else ""
    return f"CREATE TABLE IF NOT EXISTS {table.full_name} (\n{body}\n){attributes}"


def declared(table: Table) -> str:
    """The part of a table's definition that its rows depend on, without storage attributes.

    Besides columns and key this includes units and plausible ranges: values are converted to the
    unit of a column, and set to null outside of its range.
    """
    measures = [
        f"{column.name} [{column.unit or ''}] {column.minimum} to {column.maximum}"
        for column in table.columns
        if (column.unit, column.minimum, column.maximum) != (None, None, None)
    ]
    key = f"KEY ({', '.join(table.key)})"
    return "\n".join([create_table(table, dialect="duckdb"), key, *measures])


def create_view(name: str, select: str, *, dialect: str) -> list[str]:
    """Statements that create or replace a view, which may have had other columns.

    On Redshift it has no schema binding, which would prevent changes of the tables it reads.
    """
    if dialect == "redshift":
        made = f"CREATE VIEW {name} AS {select}\nWITH NO SCHEMA BINDING"
        return [f"DROP VIEW IF EXISTS {name}", made]
    return [f"CREATE OR REPLACE VIEW {name} AS {select}"]


def _encoding(table: Table, column: Column) -> str:
    if column.name in table.sort_key[:1]:
        # Range-restricted scans are slower if the first sort column is compressed.
        return " ENCODE RAW"
    plain = column.type in {Type.TEXT, Type.BOOLEAN, Type.DOUBLE}
    return " ENCODE ZSTD" if plain else " ENCODE AZ64"


def _physical(table: Table) -> str:
    if table.distribution in {"AUTO", "ALL", "EVEN"}:
        attributes = f" DISTSTYLE {table.distribution}"
    else:
        attributes = f" DISTSTYLE KEY DISTKEY ({table.distribution})"
    return attributes + (f" SORTKEY ({', '.join(table.sort_key)})" if table.sort_key else "")


def comments(table: Table) -> list[str]:
    """COMMENT ON the table (its grain) and each column (its meaning and unit), for both engines."""
    statements = [f"COMMENT ON TABLE {table.full_name} IS {_quote(table.grain)}"]
    for column in table.columns:
        unit = column.unit_and_range
        meaning = column.meaning + (f" [{unit}]" if unit else "")
        comment = _quote(meaning)
        statements.append(f"COMMENT ON COLUMN {table.full_name}.{column.name} IS {comment}")
    return statements


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def arrow_type(kind: Type) -> pa.DataType:
    """The Arrow type of a column: timestamps are naive UTC microseconds."""
    import pyarrow as pa

    types = {
        Type.TEXT: pa.string(),
        Type.BOOLEAN: pa.bool_(),
        Type.SMALLINT: pa.int16(),
        Type.INTEGER: pa.int32(),
        Type.BIGINT: pa.int64(),
        Type.DOUBLE: pa.float64(),
        Type.TIMESTAMP: pa.timestamp("us"),
        Type.DATE: pa.date32(),
    }
    return types[kind]


def arrow_schema(table: Table) -> pa.Schema:
    """The Arrow schema of a table."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field(column.name, arrow_type(column.type), column.nullable)
            for column in table.columns
        ]
    )


def column_schema(table: Table) -> TableSchema:
    """The column schema that Dagster's UI shows: types, meanings, units, constraints."""
    from dagster import TableColumn, TableColumnConstraints, TableConstraints, TableSchema

    columns = [
        TableColumn(
            column.name,
            type=sql_type(column).lower(),
            description=column.meaning + (f" [{unit}]" if (unit := column.unit_and_range) else ""),
            constraints=TableColumnConstraints(
                nullable=column.nullable, unique=table.key == (column.name,)
            ),
        )
        for column in table.columns
    ]
    key = f"unique: {', '.join(table.key)}"
    return TableSchema(columns, constraints=TableConstraints(other=[key, f"grain: {table.grain}"]))

"""The one schema, rendered: Arrow, DDL for both engines, Dagster's column schema.

Belongs here: every spelling of a table that is not Python. Does not belong here: any table.
"""

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
}


def sql_type(column: Column) -> str:
    """The column's SQL type, as both engines spell it."""
    return f"VARCHAR({column.length})" if column.type is Type.TEXT else _SQL[column.type]


def create_table(table: Table, *, dialect: str) -> str:
    """CREATE TABLE IF NOT EXISTS, with distribution, sort key and encodings on Redshift.

    Keys are stated on neither engine. Redshift would not enforce them but believe them, and leave
    out the DISTINCT or GROUP BY by which doubled rows are found; DuckDB would pay for an index.
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
    """What a table's rows are made to: columns with units and plausible ranges, and the key.

    Without how an engine stores them. Values are converted to a column's unit and nulled outside
    of its range, so rows depend on both.
    """
    measures = [
        f"{column.name} [{column.unit or ''}] {column.minimum} to {column.maximum}"
        for column in table.columns
        if (column.unit, column.minimum, column.maximum) != (None, None, None)
    ]
    key = f"KEY ({', '.join(table.key)})"
    return "\n".join([create_table(table, dialect="duckdb"), key, *measures])


def create_view(name: str, select: str, *, dialect: str) -> list[str]:
    """Statements that make a view, whatever columns it had before.

    On Redshift it is bound late: else it would keep the tables that it reads from changing.
    """
    if dialect == "redshift":
        made = f"CREATE VIEW {name} AS {select}\nWITH NO SCHEMA BINDING"
        return [f"DROP VIEW IF EXISTS {name}", made]
    return [f"CREATE OR REPLACE VIEW {name} AS {select}"]


def _encoding(table: Table, column: Column) -> str:
    if column.name in table.sort_key[:1]:
        # Compressed, the first sort column would hide which blocks a range needs.
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
    told = [f"COMMENT ON TABLE {table.full_name} IS {_quoted(table.grain)}"]
    for column in table.columns:
        unit = column.unit_and_range
        meaning = column.meaning + (f" [{unit}]" if unit else "")
        told.append(f"COMMENT ON COLUMN {table.full_name}.{column.name} IS {_quoted(meaning)}")
    return told


def _quoted(words: str) -> str:
    return "'" + words.replace("'", "''") + "'"


def arrow_schema(table: Table) -> pa.Schema:
    """The Arrow schema of a table: timestamps are naive UTC microseconds."""
    import pyarrow as pa

    types = {
        Type.TEXT: pa.string(),
        Type.BOOLEAN: pa.bool_(),
        Type.SMALLINT: pa.int16(),
        Type.INTEGER: pa.int32(),
        Type.BIGINT: pa.int64(),
        Type.DOUBLE: pa.float64(),
        Type.TIMESTAMP: pa.timestamp("us"),
    }
    return pa.schema(
        [pa.field(column.name, types[column.type], column.nullable) for column in table.columns]
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

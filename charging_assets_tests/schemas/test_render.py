"""The schema as DDL, Arrow schemas and Dagster column schemas."""

from __future__ import annotations

import re
from dataclasses import replace

import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from charging_assets.schemas.catalog import DATABASE_SCHEMAS, TABLES, table
from charging_assets.schemas.render import (
    arrow_schema,
    column_schema,
    create_table,
    declared,
    sql_type,
)
from charging_assets.schemas.table import MAX_ROW_BYTES, Column, Table, Type, key, text

each_table = pytest.mark.parametrize("each", TABLES, ids=lambda each: each.full_name)
# Redshift's greatest VARCHAR, in bytes.
LONGEST = 65535


@each_table
@pytest.mark.parametrize("dialect", ["redshift", "duckdb"])
def test_create_table__parses_in_its_dialect_and_names_all_columns(
    each: Table, dialect: str
) -> None:
    (statement,) = sqlglot.parse(create_table(each, dialect=dialect), read=dialect)
    assert isinstance(statement, exp.Create)
    columns = list(statement.find_all(exp.ColumnDef))
    assert tuple(column.name for column in columns) == each.names
    not_null = [column.name for column in columns if column.find(exp.NotNullColumnConstraint)]
    assert not_null == [column.name for column in each.columns if not column.nullable]
    table_expression = statement.this.this
    assert (table_expression.db, table_expression.name) == (each.schema, each.name)


@each_table
def test_create_table__has_physical_attributes_on_redshift_alone(each: Table) -> None:
    redshift, duckdb = (create_table(each, dialect=name) for name in ("redshift", "duckdb"))
    assert "DISTSTYLE" in redshift
    assert redshift.count(" ENCODE ") == len(each.columns)
    if each.sort_key:
        assert re.search(rf"  {each.sort_key[0]} \w+.* ENCODE RAW", redshift)
    assert not any(word in duckdb for word in ("DIST", "SORTKEY", "ENCODE"))
    # Redshift would believe a key that it does not enforce, and miss doubled rows.
    assert "PRIMARY KEY" not in redshift + duckdb


@each_table
def test_table__texts_of_a_row_fit_into_what_redshift_passes_on(each: Table) -> None:
    """Error 8001: a row whose texts are longer together fails joins, unions and sorts."""
    assert sum(column.length for column in each.columns) <= MAX_ROW_BYTES


@each_table
def test_declared__changes_with_units_and_plausible_ranges(each: Table) -> None:
    for number, column in enumerate(each.columns):
        for changed in (
            replace(column, unit="furlong"),
            replace(column, minimum=-7.5),
            replace(column, maximum=7e9),
        ):
            columns = (*each.columns[:number], changed, *each.columns[number + 1 :])
            assert declared(replace(each, columns=columns)) != declared(each), column.name


@each_table
def test_declared__changes_with_columns_and_key_alone(each: Table) -> None:
    moved = replace(each, distribution="EVEN", sort_key=())
    assert declared(moved) == declared(each)
    assert declared(replace(each, key=each.key[::-1] + each.names[-1:])) != declared(each)
    assert declared(replace(each, columns=each.columns[::-1])) != declared(each)


@each_table
def test_arrow_schema__is_of_the_columns(each: Table) -> None:
    schema = arrow_schema(each)
    assert tuple(schema.names) == each.names
    assert [field.nullable for field in schema] == [column.nullable for column in each.columns]
    types = {
        Type.TEXT: pa.string(),
        Type.BOOLEAN: pa.bool_(),
        Type.SMALLINT: pa.int16(),
        Type.INTEGER: pa.int32(),
        Type.BIGINT: pa.int64(),
        Type.DOUBLE: pa.float64(),
        Type.TIMESTAMP: pa.timestamp("us"),
    }
    assert schema.types == [types[column.type] for column in each.columns]


@each_table
def test_column_schema__has_type_and_meaning(each: Table) -> None:
    rendered = column_schema(each).columns
    assert tuple(column.name for column in rendered) == each.names
    for column, column_definition in zip(rendered, each.columns, strict=True):
        assert column.type == sql_type(column_definition).lower()
        assert column.description is not None
        assert column_definition.meaning in column.description
        assert column.constraints.nullable == column_definition.nullable


@each_table
def test_tables__are_stated_in_full(each: Table) -> None:
    assert each.schema in DATABASE_SCHEMAS
    assert each.grain.startswith("one row per")
    for column in each.columns:
        assert column.meaning.strip(), column.name
        assert not column.meaning.endswith("."), column.name
        assert column.name == column.name.lower()
        assert column.type is not Type.TEXT or 0 < column.length <= LONGEST
        assert column.type is not Type.TIMESTAMP or column.name.endswith("_at") or column.name in {
            "valid_from", "valid_to", "local_date", "local_month", "seen_until",
            "older_until", "newer_from", "started_after", "started_before", "ended_after",
            "ended_before",
        }  # fmt: skip
        assert (column.type is Type.BOOLEAN) == column.name.startswith(("is_", "has_"))
    if each.hour_column:
        assert each.column(each.hour_column).type is Type.TIMESTAMP
        assert not each.column(each.hour_column).nullable


@each_table
def test_tables__keys_are_never_null(each: Table) -> None:
    assert [name for name in each.key if each.column(name).nullable] == []


def test_tables__a_column_of_one_name_has_one_type() -> None:
    kinds: dict[str, set[tuple[Type, int]]] = {}
    for each in TABLES:
        for column in each.columns:
            kinds.setdefault(column.name, set()).add((column.type, column.length))
    # What the words mean differs by table; the engines only see the type.
    assert {name: types for name, types in kinds.items() if len({t for t, _ in types}) > 1} == {}


def test_tables__have_each_name_once() -> None:
    assert len({each.name for each in TABLES}) == len(TABLES)
    assert all(table(each.name) is each for each in TABLES)
    with pytest.raises(KeyError):
        table("no_such_table")


@pytest.mark.parametrize(
    ("columns", "table_key"),
    [
        ((key("a", "a"), key("a", "a")), ("a",)),
        ((key("a", "a"),), ("b",)),
        ((key("a", "a"), Column("t", Type.TEXT, "no length")), ("a",)),
        ((key("a", "a"), text("t", 0, "no length")), ("a",)),
    ],
)
def test_table__that_cannot_be_is_refused(
    columns: tuple[Column, ...], table_key: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match=r"x\.y"):
        Table(schema="x", name="y", grain="one row per a", key=table_key, columns=columns)

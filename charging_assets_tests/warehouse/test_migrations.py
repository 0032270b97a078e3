"""Comments that a migration writes to the database."""

import sqlglot
from sqlglot import exp

from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.render import comments
from charging_assets.schemas.table import Table, number
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse


def test_comments__a_quote_stays_a_quote():
    column = number("a", "the operator's", "kW")
    statements = comments(Table("x", "y", "one row per a's", ("a",), (column,)))
    parsed = [sqlglot.parse_one(each, read="redshift") for each in statements]
    assert [each.expression.this for each in parsed] == ["one row per a's", "the operator's [kW]"]
    assert all(isinstance(each, exp.Comment) for each in parsed)


def test_migrate__grain_and_meanings_stand_in_the_database():
    warehouse = DuckDBWarehouse(None)
    query = "SELECT schema_name, table_name, column_name, comment FROM duckdb_columns()"
    columns = {
        tuple(row.values())[:3]: row["comment"] for row in warehouse.query(query).to_pylist()
    }
    query = "SELECT schema_name, table_name, comment FROM duckdb_tables()"
    tables = {tuple(row.values())[:2]: row["comment"] for row in warehouse.query(query).to_pylist()}
    for table in TABLES:
        assert tables[table.schema, table.name] == table.grain
        for column in table.columns:
            unit = f" [{column.unit_and_range}]" if column.unit else ""
            assert columns[table.schema, table.name, column.name] == column.meaning + unit

"""Explains unknown table and column names in a query, and suggests similar names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from charging_assets.schemas.catalog import DATABASE_SCHEMAS, TABLES
from charging_assets.warehouse.interface import Reader, WarehouseError
from charging_assets.warehouse.migrations import view_names

if TYPE_CHECKING:
    from sqlglot import exp

# Tables and views by full name, with their columns; empty if the engine does not list them.
Names = Mapping[str, Sequence[str]]

_MAX_SUGGESTIONS = 3
_OF_THE_ENGINE = {"information_schema", "pg_catalog"}
# How DuckDB and Redshift report an unknown column.
_UNKNOWN_COLUMN = (
    re.compile(r'Referenced column "(?P<column>[^"]+)" (?:was )?not found', re.IGNORECASE),
    re.compile(r'does not have a column named "(?P<column>[^"]+)"', re.IGNORECASE),
    re.compile(r'column "?(?:\w+\.)?(?P<column>\w+)"? does not exist', re.IGNORECASE),
)


def names_of(reader: Reader) -> Names:
    """All tables and views, including those made by users."""
    names: dict[str, list[str]] = {table.full_name: list(table.names) for table in TABLES}
    # Redshift lists no columns of late-binding views.
    names |= {view: [] for view in view_names()}
    try:
        rows = reader.query(
            "SELECT table_schema, table_name, column_name FROM information_schema.columns "
            "WHERE NOT table_schema IN ('information_schema', 'pg_catalog')"
        ).to_pylist()
    except WarehouseError:
        return names
    listed: dict[str, list[str]] = {}
    for row in rows:
        full_name = f"{row['table_schema']}.{row['table_name']}"
        listed.setdefault(full_name, []).append(row["column_name"])
    return names | listed


def explain(query: str, error: str, names: Names) -> str | None:
    """Which names of a query are unknown, with suggestions; None if its names are right."""
    import sqlglot
    from sqlglot import exp

    tree = sqlglot.parse_one(query, read="redshift")
    cte_names = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    tables = [
        table
        for table in tree.find_all(exp.Table)
        if isinstance(table.this, exp.Identifier)
        and table.db.lower() not in _OF_THE_ENGINE
        and (table.db or table.name.lower() not in cte_names)
    ]
    problems = [problem for table in tables if (problem := table_problem(_written(table), names))]
    if problems:
        return "; ".join(dict.fromkeys(problems))
    for pattern in _UNKNOWN_COLUMN:
        if unknown := pattern.search(error):
            return _column_problem(unknown["column"], [_written(table) for table in tables], names)
    return None


def table_problem(name: str, names: Names) -> str | None:
    """What is wrong with `table` or `schema.table`; None if the table exists."""
    schema, _, table = name.lower().rpartition(".")
    by_full_name = {each.lower(): each for each in names}
    if schema and name.lower() in by_full_name:
        return None
    same = [full for low, full in by_full_name.items() if low.rpartition(".")[2] == table]
    if not schema and same:
        return f"the schema of {name} is missing: write {_either(same)}"
    schemas = {low.rpartition(".")[0] for low in by_full_name} | set(DATABASE_SCHEMAS)
    if schema and schema not in schemas:
        if same:
            return f"there is no schema {schema}: write {_either(same)}"
        likely = get_close_matches(name.lower(), by_full_name, _MAX_SUGGESTIONS)
        there = ", ".join(DATABASE_SCHEMAS)
        return f"there is no schema {schema} (schemas: {there}){_suggest(likely, by_full_name)}"
    if same:
        return f"there is no table {name}: write {_either(same)}"
    likely = [
        low
        for close in get_close_matches(table, {low.rpartition(".")[2] for low in by_full_name}, 9)
        for low in by_full_name
        if low.rpartition(".")[2] == close
    ]
    likely.sort(key=lambda low: bool(schema) and low.rpartition(".")[0] != schema)
    return f"there is no table {name}{_suggest(likely[:_MAX_SUGGESTIONS], by_full_name)}"


def _column_problem(column: str, written: Sequence[str], names: Names) -> str | None:
    by_full_name = {each.lower(): each for each in names}
    tables = [by_full_name[name.lower()] for name in written if name.lower() in by_full_name]
    columns = dict.fromkeys(each for table in tables for each in names[table])
    if column in columns:  # it exists, but the query qualifies it wrongly
        return None
    of = f" in {_either(tables)}" if tables else ""
    if likely := get_close_matches(column.lower(), columns, _MAX_SUGGESTIONS):
        return f"there is no column {column}{of}; did you mean {_either(likely)}?"
    elsewhere = [table for table, listed in names.items() if column.lower() in listed]
    # Staging keeps only some days, so it is the least useful suggestion.
    elsewhere.sort(key=lambda table: table.startswith("staging."))
    if elsewhere:
        return f"there is no column {column}{of}; it is in {_either(elsewhere[:_MAX_SUGGESTIONS])}"
    there = f"; columns: {', '.join(columns)}" if columns else ""
    return f"there is no column {column}{of}{there}"


def _written(table: exp.Table) -> str:
    """A table's name as in the query, without the database."""
    return f"{table.db}.{table.name}" if table.db else table.name


def _suggest(likely: Iterable[str], by_full_name: Mapping[str, str]) -> str:
    names = [by_full_name[name] for name in likely]
    return f"; did you mean {_either(names)}?" if names else "; .tables() lists all tables"


def _either(names: Iterable[str]) -> str:
    *first, last = dict.fromkeys(names)
    return f"{', '.join(first)} or {last}" if first else last

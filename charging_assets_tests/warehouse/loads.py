"""Small loads of two tables, with every kind of step, for any warehouse."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from charging_assets.hours import Hour
from charging_assets.schemas.render import create_table
from charging_assets.schemas.table import Table, at, key, text
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.interface import Warehouse
from charging_assets.warehouse.plan import (
    CreateTempTable,
    Guard,
    Params,
    Plan,
    ReplaceFromArrow,
    ReplaceFromSelect,
    hour_scope,
)

HOUR = Hour.parse("2022-01-11T20")
AT = datetime(2022, 1, 11, 20, 10)
COLUMNS = (
    at("slot_at", "slot"),
    text("name", 8, "name", nullable=False),
    key("amount", "amount", nullable=True),
)
GIVEN = Table("staging", "given", "one row per slot and name", ("slot_at", "name"), COLUMNS)
DERIVED = replace(GIVEN, schema="warehouse", name="derived")


def sample_rows(*names: str, amount: int | None = 1, slot_at: datetime = AT) -> pa.Table:
    return pa.table(
        {
            "slot_at": pa.array([slot_at] * len(names), pa.timestamp("us")),
            "name": pa.array(names, pa.string()),
            "amount": pa.array([amount] * len(names), pa.int64()),
        }
    )


def made_tables(dialect: str) -> list[tuple[str, Params]]:
    """Statements that make the two tables."""
    return [(create_table(table, dialect=dialect), {}) for table in (GIVEN, DERIVED)]


def with_tables(warehouse: DuckDBWarehouse) -> DuckDBWarehouse:
    """The warehouse, with the two tables."""
    warehouse.execute(*made_tables("duckdb"))
    return warehouse


def a_load(rows: pa.Table, digest: str = "d1", *more: Any, **settings: Any) -> Plan:
    """Every sort of step: rows from outside, a temp table, rows derived from it, a guard."""
    scope = hour_scope(GIVEN, HOUR)
    steps = (
        ReplaceFromArrow(GIVEN, scope, lambda: rows),
        CreateTempTable("doubled", "SELECT slot_at, name, amount * 2 AS amount FROM staging.given"),
        ReplaceFromSelect(DERIVED, scope, "SELECT amount, name, slot_at FROM doubled"),
        Guard("derived__stands_for_given", "SELECT name FROM warehouse.derived WHERE amount < 0"),
    )
    given = {"asset": "derived", "hour": HOUR, "code_version": "c1", "input_digest": digest}
    return Plan(**{**given, "steps": (*steps, *more), **settings})


def state(warehouse: Warehouse) -> dict[str, list[Any]]:
    """All rows, the ledger's included: equal only if nothing at all was changed."""
    return {
        name: sorted(map(repr, warehouse.query(f"SELECT * FROM {name}").to_pylist()))
        for name in (GIVEN.full_name, DERIVED.full_name, "ops.ledger")
    }


def names(warehouse: Warehouse, table: Table = DERIVED) -> list[str]:
    result = warehouse.query(f"SELECT name FROM {table.full_name} ORDER BY name")
    loaded_names: list[str] = result["name"].to_pylist()
    return loaded_names

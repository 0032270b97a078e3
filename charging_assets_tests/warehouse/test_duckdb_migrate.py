"""A DuckDB file of the same generation but other code: tables and columns are added."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.facts import FACT_STATUS
from charging_assets.schemas.table import Table
from charging_assets.warehouse import migrations as migration
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.warehouse.loads import AT


def columns(warehouse: DuckDBWarehouse) -> list[Any]:
    return warehouse.query(
        "SELECT table_schema, table_name, column_name FROM information_schema.columns "
        "ORDER BY 1, 2, 3"
    ).to_pylist()


def made_by(tables: tuple[Table, ...], path: Path) -> None:
    """A warehouse file that code with other tables made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migration, "TABLES", tables)
        patch.setattr(migration, "sql_names", lambda folder: [])
        DuckDBWarehouse(path).execute(("SELECT 1", {}))


def without(name: str) -> tuple[Table, ...]:
    older = replace(FACT_STATUS, columns=tuple(c for c in FACT_STATUS.columns if c.name != name))
    return tuple(older if table is FACT_STATUS else table for table in TABLES)


def test_migrate__makes_every_table_and_view(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    warehouse.execute()
    for table in TABLES:
        assert (
            tuple(warehouse.query(f"SELECT * FROM {table.full_name}").column_names) == table.names
        )
    assert warehouse.query("SELECT * FROM original.time").num_rows == 0


def test_migrate__again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    DuckDBWarehouse(path).execute()
    before = columns(DuckDBWarehouse(path))
    again = DuckDBWarehouse(path)
    again.execute()
    again.execute(("DELETE FROM ops.schema_digest", {}))
    DuckDBWarehouse(path).execute()
    assert columns(again) == before
    for mark in ("ops.schema_digest", "ops.generation"):
        assert again.query(f"SELECT COUNT(*) AS n FROM {mark}").to_pylist() == [{"n": 1}]


def test_migrate__a_missing_nullable_column_is_added_and_rows_stay(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    made_by(without("parking_status"), path)
    old = DuckDBWarehouse(path)
    old._is_migrated = True
    filled = [c for c in FACT_STATUS.columns if not c.nullable]
    values = {
        "slot_at": AT,
        "first_slot_at": AT,
        "last_slot_at": AT,
        "evse_key": 1,
        "poll_count": 1,
    }
    old.execute(
        (
            f"INSERT INTO warehouse.fact_status ({', '.join(c.name for c in filled)}) "
            f"VALUES ({', '.join(':' + c.name for c in filled)})",
            {c.name: values.get(c.name, "x") for c in filled},
        )
    )
    new = DuckDBWarehouse(path)
    new.execute()
    (row,) = new.query("SELECT * FROM warehouse.fact_status").to_pylist()
    assert set(row) == set(FACT_STATUS.names)
    assert (row["parking_status"], row["evse_key"]) == (None, 1)


def test_migrate__a_missing_table_is_created(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    made_by(tuple(table for table in TABLES if table is not FACT_STATUS), path)
    DuckDBWarehouse(path).execute()
    assert DuckDBWarehouse(path).query("SELECT * FROM warehouse.fact_status").num_rows == 0

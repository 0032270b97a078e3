"""The truth score on three days of a small network; `make score` is the same over a month.

The score meets its targets, and detects errors.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.built_once import built_once
from charging_assets_tests.truth.__main__ import scored
from charging_assets_tests.truth.weeks import Weeks, loaded

# A third of the second local day was not polled.
WEEKS = Weeks(days=3, scale=0.15, seed=90, dwell_min=120.0, gaps=((30, 8),))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three days in a file, of which each test opens a copy."""

    def build(folder: Path) -> None:
        loaded(WEEKS, folder / "lake", workers=0, path=folder / "charging.duckdb")

    return built_once(tmp_path_factory, "three_days", build) / "charging.duckdb"


@pytest.fixture
def warehouse(file: Path, tmp_path: Path) -> DuckDBWarehouse:
    return DuckDBWarehouse(Path(shutil.copy(file, tmp_path)))


@pytest.mark.slow
def test_scored__of_three_days__holds(warehouse: DuckDBWarehouse) -> None:
    result = scored(WEEKS, warehouse, sampling_errors=4)
    assert result["missed"] == []
    assert result["sessions"]["true"] > 50
    assert result["energy"]["bounded"] > 50
    assert result["gaps"]["days"] == 1
    assert result["gaps"]["rows"] > 50


@pytest.mark.slow
def test_scored__warehouse_with_errors__names_failed_targets(warehouse: DuckDBWarehouse) -> None:
    wrong = (
        "UPDATE mart.mart_evse_hour "
        "SET charging_s = charging_s + 200, available_s = available_s - 200",
        "UPDATE warehouse.fact_charging_session SET started_after = started_before "
        "WHERE NOT is_start_censored",
        "UPDATE warehouse.fact_charging_session SET energy_max_kwh = energy_max_kwh / 3",
        "UPDATE mart.mart_city_day SET occupancy = 0",
        "DELETE FROM warehouse.fact_charging_session WHERE evse_key % 10 < 2",
    )
    warehouse.execute(*((statement, {}) for statement in wrong))
    missed = scored(WEEKS, warehouse, sampling_errors=4)["missed"]
    assert {"occupancy all", "sessions", "bounds", "energy", "gaps"} <= set(missed)

"""Concurrent processes, and processes killed between two steps, on one lake and warehouse."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from charging_assets.lake.store import LocalLake
from charging_assets.orchestration.staleness import stale_hours
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR, evse, station

pytestmark = pytest.mark.faults

LOAD = """
import sys
from pathlib import Path
from charging_assets.lake.store import LocalLake
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.modelling import hours
folder = Path(sys.argv[1])
hours.load(DuckDBWarehouse(folder / "charging.duckdb"), LocalLake(folder / "lake"))
"""

ARCHIVE_AND_DIE = """
import os, sys
from pathlib import Path
from charging_assets.lake.store import LocalLake
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import evse, station
lake = LocalLake(Path(sys.argv[1]) / "lake")
hours.put(lake, 30, [station([evse("late", "CHARGING")], "s-late")])
os.kill(os.getpid(), 9)
"""


def network(status: str) -> list[dict[str, Any]]:
    return [station([evse(f"e{n}", status)], f"s{n}") for n in range(20)]


def lake_in(folder: Path) -> LocalLake:
    lake = LocalLake(folder / "lake")
    hours.put(lake, 0, network("AVAILABLE"))
    hours.put(lake, 10, network("CHARGING"))
    return lake


def start(folder: Path, program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stderr=subprocess.PIPE, text=True
    )


@pytest.mark.fault(
    "Three runs of one hour at once",
    "each run succeeds, and the rows are those of one run",
    area="processes",
)
def test_runs_of_one_hour__leave_the_rows_of_one_run(
    tmp_path: Path, report_observed: Callable[[str], None]
) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    lake = lake_in(alone)
    hours.load(DuckDBWarehouse(alone / "charging.duckdb"), lake)
    lake_in(together)
    runs = [start(together, LOAD) for _ in range(3)]
    errors = [run.communicate(timeout=300)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], errors
    expected = hours.digests(DuckDBWarehouse(alone / "charging.duckdb"))
    assert hours.digests(DuckDBWarehouse(together / "charging.duckdb")) == expected
    report_observed(f"{len(expected)} tables, equal to those of a single run")


@pytest.mark.fault(
    "kill -9 between archive and load",
    "the poll is archived, its hour is stale, and loading it again is sufficient",
    area="processes",
)
def test_kill__between_archive_and_load_is_detected_and_loaded(tmp_path: Path) -> None:
    lake, warehouse = lake_in(tmp_path), DuckDBWarehouse(tmp_path / "charging.duckdb")
    hours.load(warehouse, lake)
    assert [pending.hour for pending in stale_hours(lake, warehouse)] == []
    process = start(tmp_path, ARCHIVE_AND_DIE)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert [pending.hour for pending in stale_hours(lake, warehouse)] == [HOUR]
    hours.load(warehouse, lake)
    assert stale_hours(lake, warehouse) == []
    assert hours.rows(
        warehouse,
        "SELECT evse_uid, first_slot_at FROM warehouse.fact_status WHERE evse_uid = 'late'",
    ) == [("late", 30)]

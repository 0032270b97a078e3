"""Stale hours: every incomplete load is detected."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from charging_assets import deployments
from charging_assets.definitions import build
from charging_assets.lake.memory import MemoryLake
from charging_assets.orchestration.staleness import stale_hours
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR, lake_of, stand


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[MemoryLake, Path]:
    """An archive of an hour, and the warehouse of a run of its job."""
    lake = lake_of({0: stand(), 10: stand("CHARGING")})
    path = tmp_path_factory.mktemp("staleness") / "warehouse.duckdb"
    done = (
        build(deployments.Storage(lake, DuckDBWarehouse(path)), feeds={})
        .resolve_job_def("load_hour")
        .execute_in_process(partition_key=HOUR.key)
    )
    assert done.success
    return lake, path


@pytest.fixture
def storage(loaded: tuple[MemoryLake, Path], tmp_path: Path) -> deployments.Storage:
    """Copies of them for one test, which may change them."""
    lake = MemoryLake()
    lake.objects.update(loaded[0].objects)
    return deployments.Storage(lake, DuckDBWarehouse(Path(shutil.copy(loaded[1], tmp_path))))


def reasons(storage: deployments.Storage) -> list[str]:
    return [each.reason for each in stale_hours(storage.lake, storage.warehouse)]


def test_stale_hours__a_fresh_hour_is_not_stale(storage: deployments.Storage) -> None:
    assert reasons(storage) == []


def test_stale_hours__an_hour_that_was_never_loaded_is_stale(storage: deployments.Storage) -> None:
    hours.put(storage.lake, 70, stand())
    assert reasons(storage) == ["not yet staged"]


def test_stale_hours__a_late_poll_makes_its_hour_stale(storage: deployments.Storage) -> None:
    hours.put(storage.lake, 20, stand())
    assert reasons(storage) == [
        "the polls or the feed's identity settings changed after staged_tables was loaded"
    ]


def test_stale_hours__a_load_that_ended_after_staging_is_detected(
    storage: deployments.Storage,
) -> None:
    """Cut off between staging and facts, with the same archive and code: rows are of before."""
    storage.warehouse.execute(
        ("UPDATE ops.ledger SET input_digest = 'newer' WHERE asset = 'staged_tables'", {})
    )
    assert reasons(storage) == ["the hour was staged again after dim_station was loaded"]


@pytest.mark.parametrize(
    "table", ["staging.flat_status", "warehouse.fact_status", "warehouse.entity_observation"]
)
def test_stale_hours__deleted_rows_are_detected(storage: deployments.Storage, table: str) -> None:
    storage.warehouse.execute((f"DELETE FROM {table}", {}))
    (reason,) = reasons(storage)
    assert "has 0 rows, the ledger counts" in reason
    assert table.split(".")[1] in reason


def test_stale_hours__what_is_no_raw_object_does_not_matter(storage: deployments.Storage) -> None:
    storage.lake.put("raw/Thumbs.db", b"x")
    assert reasons(storage) == []

"""Hours that staging no longer has: prune them, and stage them again."""

from __future__ import annotations

from pathlib import Path

import pytest

from charging_assets.lake import flat_files
from charging_assets.lake.flat_files import flat_key, open_flat
from charging_assets.lake.memory import MemoryLake
from charging_assets.modelling import plans
from charging_assets.modelling.staged_hours import ensure_staged, prune
from charging_assets.schemas.flat import FLAT_STATUS
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.plan import NotStaged
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import (
    FEED,
    HOUR,
    evse,
    lake_of,
    rows,
    staged_counts,
    stand,
    station,
)

LEDGER = "SELECT is_staged, row_counts, loaded_at FROM ops.ledger WHERE asset = 'staged_tables'"


@pytest.fixture
def lake() -> MemoryLake:
    """Two polls, a second EVSE in the second, and one bad field."""
    later = [station([evse("e1", "CHARGING"), evse("e2", "NONSENSE")])]
    return lake_of({0: stand(), 10: later})


@pytest.fixture
def warehouse() -> DuckDBWarehouse:
    return DuckDBWarehouse(None)


def test_prune__deletes_the_hour_from_staging_and_marks_it(
    lake: MemoryLake, warehouse: DuckDBWarehouse
) -> None:
    hours.put(lake, 60, stand())
    for hour in (HOUR, hours.hour_after(1)):
        hours.load(warehouse, lake, hour, only="fact_status")
    facts = rows(warehouse, "SELECT * FROM warehouse.fact_status ORDER BY slot_at, evse_key")
    prune(warehouse, HOUR)
    left = staged_counts(warehouse)
    assert left.pop("flat_rejects") == 2
    assert set(left.values()) == {1}
    assert [row[0] for row in rows(warehouse, LEDGER + " ORDER BY slot_at")] == [False, True]
    assert (
        rows(warehouse, "SELECT * FROM warehouse.fact_status ORDER BY slot_at, evse_key") == facts
    )


@pytest.mark.parametrize(
    "asset", ["dim_station", "dim_evse", "dim_connector", "fact_poll", "fact_status"]
)
def test_derived_plan__of_an_unstaged_hour_is_refused_and_never_empties_it(
    lake: MemoryLake, warehouse: DuckDBWarehouse, asset: str
) -> None:
    (plan,) = (plan for plan in hours.derived_plans() if plan.asset == asset)
    with pytest.raises(NotStaged, match=f"{HOUR} is not staged; materialize staged_tables"):
        warehouse.apply(plan)
    hours.load(warehouse, lake, only=asset)
    prune(warehouse, HOUR)
    before = hours.digests(warehouse)
    with pytest.raises(NotStaged):
        warehouse.apply(plan)
    assert hours.digests(warehouse) == before


def test_ensure_staged__a_pruned_hour_is_staged_again_from_the_lake(
    lake: MemoryLake, warehouse: DuckDBWarehouse
) -> None:
    hours.load(warehouse, lake)
    before = hours.digests(warehouse)
    assert ensure_staged(warehouse, lake, [HOUR]) == ([], {})
    prune(warehouse, HOUR)
    assert ensure_staged(warehouse, lake, [HOUR]) == ([HOUR], {})
    for plan in hours.derived_plans():
        warehouse.apply(plan)
    assert hours.digests(warehouse) == before


def test_ensure_staged__without_flat_files_names_the_remedy(
    lake: MemoryLake, warehouse: DuckDBWarehouse
) -> None:
    hours.load(warehouse, lake, only="fact_status")
    prune(warehouse, HOUR)
    lake.delete(flat_key(FLAT_STATUS, HOUR, FEED))
    before = hours.digests(warehouse)
    staged, failed = ensure_staged(warehouse, lake, [HOUR])
    assert staged == [] and "flat_status has no file" in failed[HOUR]
    assert hours.digests(warehouse) == before


def test_ensure_staged__an_hour_that_cannot_be_staged_costs_no_other(
    warehouse: DuckDBWarehouse,
) -> None:
    wanted = [hours.hour_after(n) for n in range(4)]
    lake = lake_of({60 * n: stand() for n in range(4)})
    for hour in wanted:
        hours.load(warehouse, lake, hour, only="fact_status")
        prune(warehouse, hour)
    key = flat_key(FLAT_STATUS, wanted[1], FEED)
    lake.put(key, lake.get(key)[:-20])
    file = open_flat(lake, FLAT_STATUS, FEED, wanted[2])
    flat_files.write_flat(
        lake,
        FLAT_STATUS,
        FEED,
        wanted[2],
        file.read(),
        archive_digest="other",
        code_version="other",
    )
    staged, failed = ensure_staged(warehouse, lake, wanted)
    assert staged == [wanted[0], wanted[3]]
    assert "is damaged" in failed[wanted[1]] and "different" in failed[wanted[2]]


@pytest.mark.parametrize("exists", [False, True])
def test_ensure_staged__works_before_anything_was_loaded(
    lake: MemoryLake, tmp_path: Path, exists: bool
) -> None:
    warehouse = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    if exists:
        # What a first load that was killed leaves behind.
        with warehouse._writing():
            pass
    hours.flat_files(lake)
    assert ensure_staged(warehouse, lake, [HOUR]) == ([HOUR], {})
    warehouse.apply(plans.dimension_plan(plans.STATION, HOUR))
    assert rows(warehouse, "SELECT COUNT(*) FROM warehouse.dim_station") == [(1,)]

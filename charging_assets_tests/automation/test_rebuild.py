"""A rebuild by months comes to what loading hour by hour comes to, also when it is cut off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from charging_assets.automation import rebuild as module
from charging_assets.automation.pending import pending_hours
from charging_assets.automation.rebuild import Done, Rebuilt, rebuild, work
from charging_assets.partitions import Hour
from charging_assets.storage.lake import LocalLake
from charging_assets.storage.memory import MemoryLake
from charging_assets.storage.warehouse import Warehouse
from charging_assets.storage.warehouse_duckdb import DuckDBWarehouse
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import evse, station

pytestmark = pytest.mark.slow

# In January, and in February; an absence of days between; a session over two hours.
AT = (0, 1, 2, 30, 485, 486, 530)


def _told(at: int, number: int) -> list[dict[str, Any]]:
    status = "CHARGING" if (at, number) in {(0, 2), (1, 0), (1, 1), (486, 1)} else "AVAILABLE"
    found = [station([evse("e1", status), evse("e2", "UNKNOWN" if number else "BLOCKED")])]
    if at not in {2, 30, 485}:
        found.append(station([evse("e3", "AVAILABLE")], "s2", name=f"Name {at // 400}"))
    return found


def _put(lake: Any) -> None:
    for at in AT:
        for number in range(3):
            hours.put(lake, 60 * at + 20 * number, _told(at, number))


def _hourly(lake: Any) -> DuckDBWarehouse:
    warehouse = DuckDBWarehouse(None)
    for at in AT:
        hours.load(warehouse, lake, hours.hour_after(at))
    return warehouse


def _rebuilt(lake: Any, warehouse: Warehouse, **how: Any) -> tuple[Rebuilt, list[Done]]:
    steps: list[Done] = []
    return rebuild(lake, warehouse, work(lake, warehouse), steps.append, **how), steps


@pytest.fixture
def lake(monkeypatch: pytest.MonkeyPatch) -> MemoryLake:
    # Nothing is pruned, as nothing is by loading hour by hour.
    monkeypatch.setattr(module, "KEPT", timedelta(days=999))
    found = MemoryLake()
    _put(found)
    return found


def test_rebuild__from_raw_objects_alone__gives_the_same_warehouse(lake: MemoryLake) -> None:
    warehouse = DuckDBWarehouse(None)
    rebuilt, steps = _rebuilt(lake, warehouse)
    assert not rebuilt.failed
    assert rebuilt.hours["dim_evse"] == len(AT)
    sessions = [step for step in steps if step.asset == "fact_charging_session"]
    assert [len(step.hours) for step in sessions] == [4, 3]  # a month each
    assert hours.digests(warehouse) == hours.digests(_hourly(lake))
    assert pending_hours(lake, warehouse) == []
    assert lake.keys("published/dim_station/")


def test_rebuild__again__does_nothing(lake: MemoryLake) -> None:
    warehouse = DuckDBWarehouse(None)
    _rebuilt(lake, warehouse)
    assert not work(lake, warehouse).hours
    assert _rebuilt(lake, warehouse) == (Rebuilt(), [])


def test_rebuild__in_small_windows__gives_the_same(lake: MemoryLake) -> None:
    warehouse = DuckDBWarehouse(None)
    _, steps = _rebuilt(lake, warehouse, rows_a_window=20)
    assert len([step for step in steps if step.asset == "dim_evse"]) > 2
    assert hours.digests(warehouse) == hours.digests(_hourly(lake))


@pytest.mark.parametrize("after", [4, 12, 25])
def test_rebuild__that_was_cut_off__goes_on_where_it_was(lake: MemoryLake, after: int) -> None:
    warehouse, steps = DuckDBWarehouse(None), 0

    def cut_off(step: Done) -> None:
        nonlocal steps
        steps += 1
        if steps == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(lake, warehouse, work(lake, warehouse), cut_off)
    _, rest = _rebuilt(lake, warehouse)
    assert rest
    assert hours.digests(warehouse) == hours.digests(_hourly(lake))


def test_rebuild__after_a_change_of_rules__does_what_depends_on_them(lake: MemoryLake) -> None:
    warehouse = _hourly(lake)
    wanted = hours.digests(warehouse)
    asset = "fact_charging_session"
    warehouse.execute(
        ("UPDATE ops.ledger SET code_version = 'old' WHERE asset = :asset", {"asset": asset}),
        ("UPDATE warehouse.fact_charging_session SET rule_version = 0, poll_count = 99", {}),
    )
    asked = work(lake, warehouse)
    assert {name: len(found) for name, found in asked.stale.items() if found} == {asset: len(AT)}
    assert not asked.to_stage
    rebuilt, _ = _rebuilt(lake, warehouse)
    assert set(rebuilt.hours) == {asset, "published_tables"}
    assert hours.digests(warehouse) == wanted


def test_rebuild__of_everything__changes_nothing(lake: MemoryLake) -> None:
    warehouse = _hourly(lake)
    wanted = hours.digests(warehouse)
    rebuild(lake, warehouse, work(lake, warehouse, everything=True), lambda step: None)
    assert hours.digests(warehouse) == wanted


def test_rebuild__of_a_range__leaves_other_hours(lake: MemoryLake) -> None:
    warehouse = DuckDBWarehouse(None)
    first, last = hours.hour_after(1), hours.hour_after(30)
    asked = work(lake, warehouse, first, last)
    assert asked.hours == [hours.hour_after(at) for at in (1, 2, 30)]
    rebuild(lake, warehouse, asked, lambda step: None)
    assert [found.hour for found in pending_hours(lake, warehouse)] == [
        hours.hour_after(at) for at in (0, 485, 486, 530)
    ]


def test_rebuild__with_a_damaged_object__names_its_hour_and_does_the_rest(lake: MemoryLake) -> None:
    damaged = next(key for key in lake.objects if "date=2022-01-11/hour=21" in key)
    lake.objects[damaged] = lake.objects[damaged][:-9]
    warehouse = DuckDBWarehouse(None)
    rebuilt, _ = _rebuilt(lake, warehouse)
    assert list(rebuilt.failed) == [hours.hour_after(1)]
    assert damaged in rebuilt.failed[hours.hour_after(1)]
    assert [found.hour for found in pending_hours(lake, warehouse)] == [hours.hour_after(1)]


def test_rebuild__of_a_load_that_is_refused__leaves_it_stale(
    lake: MemoryLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = DuckDBWarehouse(None)
    apply: Callable[[Any], Any] = warehouse.apply

    def refusing(plan: Any) -> Any:
        if plan.asset == "fact_status":
            raise module.LoadError("refused")
        return apply(plan)

    monkeypatch.setattr(warehouse, "apply", refusing)
    rebuilt, steps = _rebuilt(lake, warehouse)
    assert set(rebuilt.failed.values()) == {"refused"}
    assert "mart_city_day" not in {step.asset for step in steps}


def test_rebuild__prunes_what_is_older_than_staging_keeps(lake: MemoryLake) -> None:
    module.KEPT = timedelta(days=2)  # undone with the fixture's patch
    warehouse = DuckDBWarehouse(None)
    _rebuilt(lake, warehouse)
    held = warehouse.query(
        "SELECT DISTINCT DATE_TRUNC('hour', slot_at) AS at FROM staging.flat_polls"
    )
    staged = {Hour.parse(f"{row['at']:%Y-%m-%dT%H}") for row in held.to_pylist()}
    assert staged == {hours.hour_after(at) for at in (485, 486, 530)}
    assert pending_hours(lake, warehouse) == []


def test_rebuild__with_workers__gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", timedelta(days=999))
    lake = LocalLake(tmp_path / "lake")
    _put(lake)
    warehouse = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    _rebuilt(lake, warehouse, workers=2)
    assert hours.digests(warehouse) == hours.digests(_hourly(lake))

"""Range runs give the same rows as hour by hour loads, also after an interruption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from charging_assets.hours import Hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.store import LocalLake
from charging_assets.modelling import staged_hours
from charging_assets.orchestration.staleness import stale_hours, staleness
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.plan import LoadError
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import evse, station
from charging_assets_tests.stale_loads import errors_of, load_stale

pytestmark = pytest.mark.slow

# Hours in January and February, with days between them and a session over two hours.
AT = (0, 1, 2, 30, 485, 486, 530)


def _stations(at: int, number: int) -> list[dict[str, Any]]:
    status = "CHARGING" if (at, number) in {(0, 2), (1, 0), (1, 1), (486, 1)} else "AVAILABLE"
    stations = [station([evse("e1", status), evse("e2", "UNKNOWN" if number else "BLOCKED")])]
    if at not in {2, 30, 485}:
        stations.append(station([evse("e3", "AVAILABLE")], "s2", name=f"Name {at // 400}"))
    return stations


def _put(lake: Any) -> None:
    for at in AT:
        for number in range(3):
            hours.put(lake, 60 * at + 20 * number, _stations(at, number))


def _hourly(lake: Any) -> DuckDBWarehouse:
    warehouse = DuckDBWarehouse(None)
    for at in AT:
        hours.load(warehouse, lake, hours.hour_after(at))
    return warehouse


class Steps:
    """Records the spans of each asset; raises after `raises_after` of them."""

    def __init__(self, raises_after: int = 0) -> None:
        self.spans: list[tuple[str, Sequence[Hour]]] = []
        self._raises_after = raises_after

    def __call__(self, asset: str, of_hours: Sequence[Hour], seconds: float) -> None:
        assert seconds >= 0
        self.spans.append((asset, of_hours))
        if len(self.spans) == self._raises_after:
            raise RuntimeError("cut off")

    def lengths(self, asset: str) -> list[int]:
        return [len(of_hours) for name, of_hours in self.spans if name == asset]


@pytest.fixture
def lake() -> MemoryLake:
    made = MemoryLake()
    _put(made)
    return made


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def test_range_runs__from_raw_objects_alone__give_the_same_warehouse(lake: MemoryLake) -> None:
    warehouse, steps = DuckDBWarehouse(None), Steps()
    assert errors_of(load_stale(lake, warehouse, progress=steps)) == {}
    assert steps.lengths("fact_charging_session") == [3, 1, 2, 1]  # consecutive; the last alone
    assert hours.digests(warehouse) == hours.digests(_hourly(lake))
    assert stale_hours(lake, warehouse) == []
    assert lake.keys("published/dim_station/")


def test_range_runs__again__load_nothing(lake: MemoryLake) -> None:
    warehouse = DuckDBWarehouse(None)
    load_stale(lake, warehouse)
    assert not any(staleness(lake, warehouse).stale.values())


def test_range_runs__in_spans_of_few_rows__give_the_same(
    lake: MemoryLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staged_hours, "ROWS_A_SPAN", 30)
    warehouse, steps = DuckDBWarehouse(None), Steps()
    load_stale(lake, warehouse, progress=steps)
    assert steps.lengths("dim_evse")[0] < 3
    assert sum(steps.lengths("dim_evse")) == len(AT)
    assert hours.digests(warehouse) == hours.digests(_hourly(lake))


@pytest.mark.parametrize("after", [2, 5, 9, 14])
def test_range_runs__after_an_interruption__continue(lake: MemoryLake, after: int) -> None:
    warehouse = DuckDBWarehouse(None)
    wanted = [hours.hour_after(at) for at in (0, 1, 2)]
    load_stale(lake, warehouse, wanted[:1])
    load_stale(lake, warehouse, wanted[1:], progress=Steps(raises_after=after))
    load_stale(lake, warehouse)
    assert hours.digests(warehouse) == hours.digests(_hourly(lake))
    assert stale_hours(lake, warehouse) == []


def test_range_runs__of_one_stale_asset__load_that_alone(lake: MemoryLake) -> None:
    warehouse, steps = _hourly(lake), Steps()
    wanted = hours.digests(warehouse)
    asset = "fact_charging_session"
    warehouse.execute(
        ("UPDATE ops.ledger SET code_version = 'old' WHERE asset = :asset", {"asset": asset}),
        ("UPDATE warehouse.fact_charging_session SET rule_version = 0, poll_count = 99", {}),
    )
    stale = staleness(lake, warehouse).stale
    assert {name: len(stale_set) for name, stale_set in stale.items() if stale_set} == {
        asset: len(AT)
    }
    load_stale(lake, warehouse, assets=[asset, "published_tables"], progress=steps)
    assert {name for name, _ in steps.spans} == {asset, "published_tables"}
    assert hours.digests(warehouse) == wanted


def test_range_runs__of_loaded_hours__change_nothing(lake: MemoryLake) -> None:
    warehouse = _hourly(lake)
    wanted = hours.digests(warehouse)
    load_stale(lake, warehouse, [hours.hour_after(at) for at in AT])
    assert hours.digests(warehouse) == wanted


def test_range_runs__of_pruned_hours__stage_them_again(
    lake: MemoryLake, instance: dg.DagsterInstance
) -> None:
    warehouse = _hourly(lake)
    wanted = hours.digests(warehouse)
    staged_hours.prune_before(warehouse, hours.hour_after(400))
    load_stale(lake, warehouse, [hours.hour_after(at) for at in (0, 1, 2)], assets=["fact_status"])
    assert hours.digests(warehouse) != wanted  # of staging, hour 30 is still pruned
    load_stale(lake, warehouse, [hours.hour_after(30)], assets=["fact_status"])
    assert hours.digests(warehouse) == wanted


def test_range_runs__with_a_damaged_object__fail_that_hour_and_load_the_rest(
    lake: MemoryLake, instance: dg.DagsterInstance
) -> None:
    damaged = next(key for key in lake.objects if "date=2022-01-11/hour=21" in key)
    lake.objects[damaged] = lake.objects[damaged][:-9]
    warehouse = DuckDBWarehouse(None)
    errors = errors_of(load_stale(lake, warehouse, instance=instance))
    assert list(errors) == [hours.hour_after(1)]
    assert damaged in errors[hours.hour_after(1)]
    assert [each.hour for each in stale_hours(lake, warehouse)] == [hours.hour_after(1)]


def test_range_run__with_a_damaged_object__records_exactly_the_good_hours(
    lake: MemoryLake, instance: dg.DagsterInstance
) -> None:
    damaged = next(key for key in lake.objects if "date=2022-01-11/hour=21" in key)
    lake.objects[damaged] = lake.objects[damaged][:-9]
    wanted = [hours.hour_after(at) for at in (0, 1, 2)]
    load_stale(lake, DuckDBWarehouse(None), [*wanted, hours.hour_after(530)], instance=instance)
    for name in ("flat_evses", "flat_rejects", "staged_tables", "mart_city_day"):
        recorded = instance.get_materialized_partitions(dg.AssetKey(name))
        assert recorded == {each.key for each in (wanted[0], wanted[2], hours.hour_after(530))}, (
            name
        )


@pytest.mark.parametrize("bad", [(1,), (0, 2), (0, 1, 2)])
def test_range_runs__with_failing_loads__load_the_other_hours(
    lake: MemoryLake,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    bad: tuple[int, ...],
) -> None:
    warehouse = DuckDBWarehouse(None)
    apply: Callable[[Any], Any] = warehouse.apply
    refused = {hours.hour_after(at) for at in bad}

    def refusing(plan: Any) -> Any:
        if plan.asset == "fact_status" and refused.intersection(plan.hour.hours):
            raise LoadError("refused")
        return apply(plan)

    monkeypatch.setattr(warehouse, "apply", refusing)
    outcomes = load_stale(lake, warehouse, instance=instance)
    assert errors_of(outcomes).keys() == refused
    assert all("refused" in error for error in errors_of(outcomes).values())
    assert {each.hour for each in stale_hours(lake, warehouse)} == refused
    recorded = instance.get_materialized_partitions(dg.AssetKey("fact_status"))
    assert recorded == {hours.hour_after(at).key for at in AT} - {each.key for each in refused}


def test_range_runs__dagster_knows_every_partition(
    lake: MemoryLake, instance: dg.DagsterInstance
) -> None:
    warehouse = DuckDBWarehouse(None)
    load_stale(lake, warehouse, instance=instance)
    names = Counter(key.to_user_string() for key in instance.all_asset_keys())
    assert len(names) > 20
    for name in names:
        recorded = instance.get_materialized_partitions(dg.AssetKey(name))
        assert recorded == {hours.hour_after(at).key for at in AT}, name


def test_range_runs__with_workers__give_the_same(tmp_path: Path) -> None:
    lake = LocalLake(tmp_path / "lake")
    for at in range(9):
        hours.put(lake, 60 * at, _stations(at, 0))
    warehouse = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    assert errors_of(load_stale(lake, warehouse, workers=2)) == {}
    one_by_one = DuckDBWarehouse(None)
    for at in range(9):
        hours.load(one_by_one, lake, hours.hour_after(at))
    assert hours.digests(warehouse) == hours.digests(one_by_one)

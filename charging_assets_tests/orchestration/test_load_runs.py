"""Loading hours: consecutive hours share a run, and a bad hour is loaded alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import pytest

from charging_assets import deployments
from charging_assets.definitions import build
from charging_assets.hours import Hour
from charging_assets.orchestration.load_runs import HourResult, load_hours
from charging_assets.orchestration.staleness import stale_hours
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.interface import Reader, WarehouseError
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import lake_of, stand


def load(storage: deployments.Storage, wanted: list[Hour]) -> list[HourResult]:
    reported: list[HourResult] = []
    with dg.DagsterInstance.ephemeral() as instance:
        outcomes = load_hours(
            build(storage, feeds={}), instance, wanted, reported.extend, log_level="CRITICAL"
        )
    assert reported == outcomes
    return outcomes


def test_load_hours__consecutive_hours_share_a_run_except_the_last() -> None:
    polls = {60 * n: stand() for n in (0, 1, 2, 5)}
    storage = deployments.Storage(lake_of(polls), deployments.memory_storage().warehouse)
    wanted = [hours.hour_after(n) for n in (5, 0, 2, 1)]
    outcomes = load(storage, wanted)
    assert [outcome.hour for outcome in outcomes] == [hours.hour_after(n) for n in (0, 1, 2, 5)]
    assert [outcome.error for outcome in outcomes] == [None] * 4
    runs = [outcome.run_id for outcome in outcomes]
    assert runs[0] == runs[1] == runs[2] != runs[3]
    assert stale_hours(storage.lake, storage.warehouse) == []


def test_load_hours__only_the_damaged_hour_fails() -> None:
    storage = deployments.Storage(
        lake_of({60 * n: stand() for n in range(4)}), deployments.memory_storage().warehouse
    )
    (key,) = [key for key in storage.lake.keys("raw/") if "hour=21" in key]
    storage.lake.put(key, b"damaged")
    outcomes = load(storage, [hours.hour_after(n) for n in range(4)])
    errors = {outcome.hour: outcome.error for outcome in outcomes}
    assert [hour for hour, error in errors.items() if error] == [hours.hour_after(1)]
    assert key in str(errors[hours.hour_after(1)])
    assert [each.hour for each in stale_hours(storage.lake, storage.warehouse)] == [
        hours.hour_after(1)
    ]


class LockedWarehouse(DuckDBWarehouse):
    """A warehouse that another program holds the first times that checks open it."""

    def __init__(self, locked_until: int) -> None:
        super().__init__(None)
        self.locked_until, self.open_count = locked_until, 0

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        self.open_count += 1
        if self.open_count <= self.locked_until:
            raise WarehouseError("locked by DBeaver; close it")
        with super().reading() as reader:
            yield reader


@pytest.mark.parametrize("count", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_load_hours__an_unchecked_hour_is_loaded_once(
    count: int,
) -> None:
    lake = lake_of({60 * n: stand() for n in range(count)})
    # Hours that are looked at together are tried one by one before any goes without its checks.
    storage = deployments.Storage(lake, LockedWarehouse(locked_until=min(count, 2)))
    wanted = [hours.hour_after(n) for n in range(count)]
    outcomes = load(storage, wanted)
    assert [outcome.hour for outcome in outcomes] == wanted
    assert [outcome.error for outcome in outcomes] == [None] * count
    unchecked = {outcome.hour: outcome.unchecked for outcome in outcomes if outcome.unchecked}
    assert list(unchecked) == wanted[:1]
    assert "locked by DBeaver" in unchecked[wanted[0]]
    # One run of the range and one of the newest hour, without retries.
    assert len({outcome.run_id for outcome in outcomes}) == min(count, 2)
    assert stale_hours(storage.lake, storage.warehouse) == []


def test_load_hours__an_hour_without_partition_fails_and_others_load() -> None:
    storage = deployments.Storage(lake_of({0: stand()}), deployments.memory_storage().warehouse)
    outcomes = load(storage, [hours.hour_after(0), Hour.parse("2999-01-01T00")])
    assert [outcome.error is None for outcome in outcomes] == [True, False]


@pytest.mark.slow
def test_load_hours__many_hours_are_unchecked_and_failed_ones_load_alone() -> None:
    count = 16
    storage = deployments.Storage(
        lake_of({60 * n: stand() for n in range(count)}), deployments.memory_storage().warehouse
    )
    wanted = [hours.hour_after(n) for n in range(count)]
    (key,) = [key for key in storage.lake.keys("raw/") if f"hour={wanted[1].start:%H}" in key]
    storage.lake.put(key, b"damaged")
    with dg.DagsterInstance.ephemeral() as instance:
        outcomes = load_hours(
            build(storage, feeds={}),
            instance,
            wanted,
            lambda results: None,
            log_level="CRITICAL",
        )
        jobs = [run.job_name for run in instance.get_runs()]
        materialized = instance.get_materialized_partitions(dg.AssetKey("fact_status"))
    # All but the last fail together; then the first, the good ones, the bad one and the last.
    assert Counter(jobs) == {"load_without_checks": 2, "load_hour": 3}
    assert [outcome.hour for outcome in outcomes if outcome.error] == [wanted[1]]
    assert {outcome.hour for outcome in outcomes} == set(wanted)
    assert materialized == {hour.key for hour in wanted} - {wanted[1].key}
    assert [each.hour for each in stale_hours(storage.lake, storage.warehouse)] == [wanted[1]]

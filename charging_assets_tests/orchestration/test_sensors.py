"""The sensor `reconcile_hours` with a lake, a warehouse and a Dagster instance."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from charging_assets import deployments
from charging_assets.archive.gaps import accept
from charging_assets.definitions import build
from charging_assets.hours import ONE_HOUR, Hour, hours_between
from charging_assets.lake.memory import MemoryLake
from charging_assets.orchestration import sensors
from charging_assets.orchestration.runs import FIRST_TAG, LAST_TAG
from charging_assets.orchestration.sensors import reconcile_hours
from charging_assets.warehouse.interface import WarehouseError
from charging_assets_tests import builders
from charging_assets_tests.clocks import STOPPED_AT
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import stand

pytestmark = pytest.mark.usefixtures("stopped_clock")

CURRENT = Hour.of(STOPPED_AT)
FAR = Hour.parse("2022-01-11T20")


def put(lake: Any, hour: Hour, minute: int = 0, feed: str = "test") -> None:
    slot_at = hour.start + timedelta(minutes=minute)
    body = builders.envelope(*stand(), at=slot_at.isoformat())
    builders.archived(lake, builders.poll(slot_at=slot_at, feed=feed), {"koeln": body})


class Reconciler:
    """Ticks the sensor, keeps its cursor and runs its requests."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.storage = deployments.Storage(MemoryLake(), deployments.memory_storage().warehouse)
        self.defs = build(self.storage, feeds={})
        self.instance, self.cursor, self.skipped = instance, None, ""

    def tick(self, **resources: Any) -> list[dg.RunRequest]:
        used = {"lake": self.storage.lake, "warehouse": self.storage.warehouse, **resources}
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources=used
        )
        result = reconcile_hours(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        self.skipped = str(result.skip_reason.skip_message) if result.skip_reason else ""
        return list(result.run_requests or [])

    def load(self) -> list[str]:
        """Load the hours that a tick requests, without a Dagster run; return jobs and hours."""
        loads = []
        for request in self.tick():
            requested = hours_of_request(request)
            for hour in requested:
                hours.load(self.storage.warehouse, self.storage.lake, hour)
            span = "..".join(sorted({requested[0].key, requested[-1].key}))
            loads.append(f"{request.job_name} {span}")
        return loads

    def run(self) -> list[str]:
        """Execute the runs that a tick requests; return their hours and results."""
        outcomes = []
        for request in self.tick():
            assert request.job_name
            result = self.defs.resolve_job_def(request.job_name).execute_in_process(
                partition_key=request.partition_key,
                tags=dict(request.tags),
                instance=self.instance,
                raise_on_error=False,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
            span = " ".join(hour.key for hour in hours_of_request(request))
            outcomes.append(f"{span}: {'ok' if result.success else 'failed'}")
        return outcomes


def hours_of_request(request: dg.RunRequest) -> list[Hour]:
    if request.partition_key:
        return [Hour.parse(request.partition_key)]
    first, last = Hour.parse(request.tags[FIRST_TAG]), Hour.parse(request.tags[LAST_TAG])
    return list(hours_between(first, last))


@pytest.fixture
def reconciler() -> Iterator[Reconciler]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Reconciler(instance)


def test_reconcile_hours__loads_the_current_hour_after_each_poll(reconciler: Reconciler) -> None:
    put(reconciler.storage.lake, CURRENT)
    assert reconciler.load() == [f"load_hour {CURRENT}"]
    assert reconciler.load() == []
    assert "every archived hour of 1 day is loaded" in reconciler.skipped
    put(reconciler.storage.lake, CURRENT, 10)
    assert reconciler.load() == [f"load_hour {CURRENT}"]


def test_reconcile_hours__without_refresh_skips_the_current_hour(
    reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARGING_REFRESH", "0")
    put(reconciler.storage.lake, CURRENT)
    assert reconciler.tick() == []


def test_reconcile_hours__an_outage_is_loaded_as_a_range_and_a_late_poll_alone(
    reconciler: Reconciler,
) -> None:
    lost = [Hour(CURRENT.start - n * ONE_HOUR) for n in (4, 3, 2)]
    for hour in lost:
        put(reconciler.storage.lake, hour)
    assert reconciler.load() == [f"load_hour {lost[0]}..{lost[-1]}"]
    assert reconciler.load() == []
    put(reconciler.storage.lake, lost[1], 20)
    assert reconciler.load() == [f"load_hour {lost[1]}"]
    assert reconciler.load() == []


def test_reconcile_hours__scans_old_hours(reconciler: Reconciler) -> None:
    put(reconciler.storage.lake, FAR)
    assert reconciler.load() == [f"load_hour {FAR}"]
    assert reconciler.load() == []
    put(reconciler.storage.lake, FAR, 10)
    assert reconciler.load() == [f"load_hour {FAR}"]


def test_reconcile_hours__other_code_makes_hours_stale(
    reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(reconciler.storage.lake, FAR)
    assert reconciler.load() == [f"load_hour {FAR}"]
    assert reconciler.load() == []
    reconciler.storage.warehouse.execute(
        ("UPDATE ops.ledger SET code_version = 'older' WHERE asset = 'fact_poll'", {})
    )
    assert reconciler.load() == [f"load_hour {FAR}"]
    assert reconciler.load() == []


@pytest.mark.fault(
    "A byte of a raw object is changed",
    area="storage",
)
def test_reconcile_hours__a_damaged_hour_is_retried_later_and_blocks_no_other(
    reconciler: Reconciler,
) -> None:
    lake = reconciler.storage.lake
    before = Hour(CURRENT.start - 2 * ONE_HOUR)
    put(lake, before)
    (damaged,) = lake.keys("raw/")
    lake.put(damaged, b"damaged")
    put(lake, FAR)
    assert reconciler.run() == [f"{before}: failed", f"{FAR}: ok"]
    assert reconciler.load() == []
    assert "1 hour failed, to be retried later" in reconciler.skipped


def test_reconcile_hours__a_damaged_object_costs_its_feed_until_it_is_restored(
    reconciler: Reconciler,
) -> None:
    """As docs/operations.md states: the other feeds of the hour are loaded."""
    lake, hour = reconciler.storage.lake, Hour(CURRENT.start - 2 * ONE_HOUR)
    put(lake, hour, feed="one")
    put(lake, hour, minute=10, feed="two")
    (damaged,) = lake.keys("raw/feed=one/")
    whole = lake.get(damaged)
    lake.put(damaged, b"damaged")
    assert reconciler.run() == [f"{hour}: ok"]
    feeds = "SELECT feed FROM warehouse.fact_poll ORDER BY 1"
    assert hours.rows(reconciler.storage.warehouse, feeds) == [("two",)]
    assert reconciler.run() == []
    assert "1 hour failed, to be retried later" in reconciler.skipped
    lake.delete(damaged)
    assert reconciler.run() == []
    lake.put(damaged, whole)  # a backup had it
    assert reconciler.run() == [f"{hour}: ok"]
    assert hours.rows(reconciler.storage.warehouse, feeds) == [("one",), ("two",)]


def test_reconcile_hours__skips_hours_that_a_run_is_loading(reconciler: Reconciler) -> None:
    put(reconciler.storage.lake, FAR)
    reconciler.instance.create_run_for_job(
        reconciler.defs.resolve_job_def("load_hour"),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": FAR.key},
    )
    assert reconciler.tick() == []


def test_reconcile_hours__limits_concurrent_runs(reconciler: Reconciler) -> None:
    for n in range(2, 30, 2):
        put(reconciler.storage.lake, Hour(CURRENT.start - n * ONE_HOUR))
    assert len(reconciler.tick()) == sensors._MAX_RUNS


def test_reconcile_hours__a_locked_warehouse_skips_without_an_attempt(
    reconciler: Reconciler,
) -> None:
    class Locked:
        def query(self, *_: object) -> None:
            raise WarehouseError("held by a notebook")

    put(reconciler.storage.lake, FAR)
    assert reconciler.tick(warehouse=Locked()) == []
    assert reconciler.skipped == "held by a notebook"
    assert len(reconciler.tick()) == 1


@pytest.mark.slow
def test_reconcile_hours__an_accepted_gap_is_loaded_empty_until_an_import(
    reconciler: Reconciler,
) -> None:
    lake, warehouse = reconciler.storage.lake, reconciler.storage.warehouse
    put(lake, FAR)
    gap = Hour(FAR.start + ONE_HOUR)
    done = accept(lake, [FAR, gap], "the API was away", STOPPED_AT)
    assert (done.polled, done.accepted) == ([FAR], [gap])
    assert reconciler.run() == [f"{FAR} {gap}: ok"]
    assert reconciler.run() == []
    assets = "SELECT COUNT(*) AS n, SUM(row_count) AS r FROM ops.ledger WHERE slot_at = :at"
    (totals,) = warehouse.query(assets, {"at": gap.start.replace(tzinfo=None)}).to_pylist()
    assert (totals["n"], totals["r"]) == (13, 0)
    put(lake, gap)
    assert reconciler.load() == [f"load_hour {gap}"]
    (totals,) = warehouse.query(assets, {"at": gap.start.replace(tzinfo=None)}).to_pylist()
    assert totals["r"] > 0

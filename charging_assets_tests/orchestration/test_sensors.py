"""The healing sensor, over a real lake, warehouse and instance: late polls, gaps, code, locks."""

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

RUNNING = Hour.of(STOPPED_AT)
FAR = Hour.parse("2022-01-11T20")


def put(lake: Any, hour: Hour, minute: int = 0, feed: str = "test") -> None:
    slot_at = hour.start + timedelta(minutes=minute)
    body = builders.envelope(*stand(), at=slot_at.isoformat())
    builders.archived(lake, builders.poll(slot_at=slot_at, feed=feed), {"koeln": body})


class Healer:
    """Ticks of the sensor, its cursor kept, and its requests run as Dagster would."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.storage = deployments.Storage(MemoryLake(), deployments.memory_storage().warehouse)
        self.defs = build(self.storage, feeds={})
        self.instance, self.cursor, self.skipped = instance, None, ""

    def tick(self, **resources: Any) -> list[dg.RunRequest]:
        held = {"lake": self.storage.lake, "warehouse": self.storage.warehouse, **resources}
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources=held
        )
        result = reconcile_hours(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        self.skipped = str(result.skip_reason.skip_message) if result.skip_reason else ""
        return list(result.run_requests or [])

    def heal(self) -> list[str]:
        """Load what a tick requests, without Dagster's bookkeeping; its jobs and hours."""
        told = []
        for request in self.tick():
            asked = hours_asked(request)
            for hour in asked:
                hours.load(self.storage.warehouse, self.storage.lake, hour)
            told.append(f"{request.job_name} {'..'.join(sorted({asked[0].key, asked[-1].key}))}")
        return told

    def run(self) -> list[str]:
        """Run what a tick requests, as Dagster would; the hours, and how their runs ended."""
        told = []
        for request in self.tick():
            assert request.job_name
            done = self.defs.resolve_job_def(request.job_name).execute_in_process(
                partition_key=request.partition_key,
                tags=dict(request.tags),
                instance=self.instance,
                raise_on_error=False,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
            named = " ".join(hour.key for hour in hours_asked(request))
            told.append(f"{named}: {'ok' if done.success else 'failed'}")
        return told


def hours_asked(request: dg.RunRequest) -> list[Hour]:
    if request.partition_key:
        return [Hour.parse(request.partition_key)]
    first, last = Hour.parse(request.tags[FIRST_TAG]), Hour.parse(request.tags[LAST_TAG])
    return list(hours_between(first, last))


@pytest.fixture
def healer() -> Iterator[Healer]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Healer(instance)


def test_heal__loads_the_running_hour_after_each_poll_and_then_rests(healer: Healer) -> None:
    put(healer.storage.lake, RUNNING)
    assert healer.heal() == [f"load_hour {RUNNING}"]
    assert healer.heal() == []
    assert "every archived hour of 1 day is loaded" in healer.skipped
    put(healer.storage.lake, RUNNING, 10)
    assert healer.heal() == [f"load_hour {RUNNING}"]


def test_heal__waits_for_the_hour_s_end_where_refresh_is_off(
    healer: Healer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARGING_REFRESH", "0")
    put(healer.storage.lake, RUNNING)
    assert healer.tick() == []


def test_heal__an_outage_is_loaded_as_a_range_and_a_late_poll_alone(healer: Healer) -> None:
    lost = [Hour(RUNNING.start - n * ONE_HOUR) for n in (4, 3, 2)]
    for hour in lost:
        put(healer.storage.lake, hour)
    assert healer.heal() == [f"load_hour {lost[0]}..{lost[-1]}"]
    assert healer.heal() == []
    put(healer.storage.lake, lost[1], 20)
    assert healer.heal() == [f"load_hour {lost[1]}"]
    assert healer.heal() == []


def test_heal__old_hours_take_their_turn(healer: Healer) -> None:
    put(healer.storage.lake, FAR)
    assert healer.heal() == [f"load_hour {FAR}"]
    assert healer.heal() == []
    put(healer.storage.lake, FAR, 10)
    assert healer.heal() == [f"load_hour {FAR}"]


def test_heal__other_code_makes_hours_stale(
    healer: Healer, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(healer.storage.lake, FAR)
    assert healer.heal() == [f"load_hour {FAR}"]
    assert healer.heal() == []
    healer.storage.warehouse.execute(
        ("UPDATE ops.ledger SET code_version = 'older' WHERE asset = 'fact_poll'", {})
    )
    assert healer.heal() == [f"load_hour {FAR}"]
    assert healer.heal() == []


@pytest.mark.fault(
    "A byte of a raw object is changed",
    area="storage",
)
def test_heal__a_damaged_hour_is_retried_later_and_holds_no_other(healer: Healer) -> None:
    lake = healer.storage.lake
    before = Hour(RUNNING.start - 2 * ONE_HOUR)
    put(lake, before)
    (damaged,) = lake.keys("raw/")
    lake.put(damaged, b"damaged")
    put(lake, FAR)
    assert healer.run() == [f"{before}: failed", f"{FAR}: ok"]
    assert healer.heal() == []
    assert "1 hour failed, to be tried again later" in healer.skipped


def test_heal__a_damaged_object_costs_its_own_feed_until_it_is_restored(healer: Healer) -> None:
    """As docs/operations.md states: the other feeds of the hour are loaded."""
    lake, hour = healer.storage.lake, Hour(RUNNING.start - 2 * ONE_HOUR)
    put(lake, hour, feed="one")
    put(lake, hour, minute=10, feed="two")
    (damaged,) = lake.keys("raw/feed=one/")
    whole = lake.get(damaged)
    lake.put(damaged, b"damaged")
    assert healer.run() == [f"{hour}: ok"]
    feeds = "SELECT feed FROM warehouse.fact_poll ORDER BY 1"
    assert hours.rows(healer.storage.warehouse, feeds) == [("two",)]
    assert healer.run() == []
    assert "1 hour failed, to be tried again later" in healer.skipped
    lake.delete(damaged)
    assert healer.run() == []
    lake.put(damaged, whole)  # a backup had it
    assert healer.run() == [f"{hour}: ok"]
    assert hours.rows(healer.storage.warehouse, feeds) == [("one",), ("two",)]


def test_heal__an_hour_that_a_run_is_loading_is_left_to_it(healer: Healer) -> None:
    put(healer.storage.lake, FAR)
    healer.instance.create_run_for_job(
        healer.defs.resolve_job_def("load_hour"),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": FAR.key},
    )
    assert healer.tick() == []


def test_heal__room_is_for_few_runs_at_a_time(healer: Healer) -> None:
    for n in range(2, 30, 2):
        put(healer.storage.lake, Hour(RUNNING.start - n * ONE_HOUR))
    assert len(healer.tick()) == sensors._ROOM


def test_heal__a_locked_warehouse_skips_and_uses_up_no_try(healer: Healer) -> None:
    class Locked:
        def query(self, *_: object) -> None:
            raise WarehouseError("held by a notebook")

    put(healer.storage.lake, FAR)
    assert healer.tick(warehouse=Locked()) == []
    assert healer.skipped == "held by a notebook"
    assert len(healer.tick()) == 1


def test_heal__an_accepted_gap_is_loaded_empty_left_alone_and_reopened_by_an_import(
    healer: Healer,
) -> None:
    lake, warehouse = healer.storage.lake, healer.storage.warehouse
    put(lake, FAR)
    gap = Hour(FAR.start + ONE_HOUR)
    done = accept(lake, [FAR, gap], "the API was away", STOPPED_AT)
    assert (done.polled, done.accepted) == ([FAR], [gap])
    assert healer.run() == [f"{FAR} {gap}: ok"]
    assert healer.run() == []
    assets = "SELECT COUNT(*) AS n, SUM(row_count) AS r FROM ops.ledger WHERE slot_at = :at"
    (found,) = warehouse.query(assets, {"at": gap.start.replace(tzinfo=None)}).to_pylist()
    assert (found["n"], found["r"]) == (13, 0)
    put(lake, gap)
    assert healer.heal() == [f"load_hour {gap}"]
    (found,) = warehouse.query(assets, {"at": gap.start.replace(tzinfo=None)}).to_pylist()
    assert found["r"] > 0

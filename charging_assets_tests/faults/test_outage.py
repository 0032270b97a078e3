"""An outage of hours: archived polls are loaded afterwards, missed slots are recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from charging_assets import deployments
from charging_assets.acquisition.poll_hour import poll_hour
from charging_assets.archive.missed_slots import missed_slots
from charging_assets.archive.raw_archive import hours_archived, read
from charging_assets.archive.raw_objects import PlaceResponse, Poll
from charging_assets.definitions import build
from charging_assets.hours import ONE_HOUR, Hour, slot_of
from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.store import LocalLake
from charging_assets.modelling.assets import WRITER_POOL
from charging_assets.orchestration.orphaned_runs import end_orphaned_runs
from charging_assets.orchestration.schedules import poll_feeds
from charging_assets.orchestration.sensors import reconcile_hours
from charging_assets.orchestration.staleness import stale_hours
from charging_assets.sources.feeds import Feed
from charging_assets_tests import builders
from charging_assets_tests.builders import place, poll
from charging_assets_tests.clocks import STOPPED_AT
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import stand
from charging_assets_tests.orchestration.test_sensors import hours_of_request

pytestmark = pytest.mark.faults

TEN = timedelta(minutes=10)
FEED = Feed(name="test", kind="chargecloud", base_url="https://example.org", places=("koeln",))


def put(lake: MemoryLake, slot_at: datetime) -> None:
    body = builders.envelope(*stand(), at=slot_at.isoformat())
    builders.archived(lake, builders.poll(slot_at=slot_at), {"koeln": body})


def slots(lake: MemoryLake) -> list[datetime]:
    return [
        next(read(lake, key)).poll.slot_at for keys in hours_archived(lake).values() for key in keys
    ]


def tick(lake: MemoryLake, at: datetime) -> None:
    """One tick of the schedule, and the poll that it requests."""
    context = dg.build_schedule_context(scheduled_execution_time=at)
    request = poll_feeds(context)
    assert isinstance(request, dg.RunRequest) and request.partition_key
    config = request.run_config["ops"]["raw_api_snapshots"]["config"]
    body = builders.envelope(*stand(), at=at.isoformat())

    def poller(feed: Feed) -> tuple[Poll, list[PlaceResponse]]:
        return poll(slot_at=slot_of(at, feed.cadence)), [place("koeln", body)]

    poll_hour(
        lake, {"test": FEED}, Hour.parse(request.partition_key), poller=poller,
        planned_at=datetime.fromisoformat(config["planned_at"]), now=at,
    )  # fmt: skip


@pytest.mark.fault(
    "The daemon is down for 3 hours, and for 24",
    "every archived hour is loaded, missed slots are recorded, no poll has the slot of another",
    area="time",
)
@pytest.mark.usefixtures("stopped_clock")
@pytest.mark.parametrize("outage_h", [3, 24])
def test_outage__archived_polls_are_loaded_and_missed_slots_recorded(
    outage_h: int, report_observed: Callable[[str], None]
) -> None:
    storage = deployments.Storage(MemoryLake(), deployments.memory_storage().warehouse)
    lake = storage.lake
    assert isinstance(lake, MemoryLake)
    back_at = slot_of(STOPPED_AT, TEN)
    began = back_at - outage_h * ONE_HOUR
    tick(lake, began - TEN)
    tick(lake, began)
    # A second poller without Dagster continues for a while; its polls are not loaded yet.
    archived = [began + n * TEN for n in range(1, 3 * outage_h + 1)]
    for slot_at in archived:
        put(lake, slot_at)
    tick(lake, back_at)
    assert slots(lake) == [began - TEN, began, *archived, back_at]
    expected = [began + n * TEN for n in range(3 * outage_h + 1, 6 * outage_h)]
    assert [note["slot_at"] for note in missed_slots(lake)] == [at.isoformat() for at in expected]
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(3):
            context = dg.build_sensor_context(
                instance=instance, resources={"lake": lake, "warehouse": storage.warehouse}
            )
            result = reconcile_hours(context)
            assert isinstance(result, dg.SensorResult)
            for request in result.run_requests or []:
                for hour in hours_of_request(request):
                    hours.load(storage.warehouse, lake, hour)
    assert stale_hours(lake, storage.warehouse) == []
    loaded = hours.rows(storage.warehouse, "SELECT DISTINCT slot_at FROM warehouse.fact_poll")
    assert len(loaded) == len(slots(lake))
    report_observed(
        f"after {outage_h} hours: {len(slots(lake))} polls loaded, {len(expected)} slots recorded"
    )


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    overrides = {"concurrency": {"pools": {"default_limit": 1}}}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=overrides) as dagster_instance:
        yield dagster_instance


@dg.op(pool=WRITER_POOL)
def write() -> None:
    """An op in the writer pool that does nothing."""


@dg.job(executor_def=dg.in_process_executor)
def writing() -> None:
    write()


@pytest.mark.fault("A host fails while runs are in progress", area="processes")
def test_host_crash__a_dead_run_is_ended(instance: dg.DagsterInstance) -> None:
    """The queue counts unfinished runs of the writers' pool: a dead one would block all others."""
    died = instance.create_run_for_job(writing, status=dg.DagsterRunStatus.STARTED)
    assert end_orphaned_runs(instance) == [died.run_id]
    run = instance.get_run_by_id(died.run_id)
    assert run is not None and run.is_finished


@pytest.mark.fault(
    "Every partition is materialized again",
    "the same bytes in the lake, the same rows in the warehouse",
    area="processes",
)
def test_rerun__of_every_partition_gives_the_same_bytes_and_rows(
    tmp_path: Path, report_observed: Callable[[str], None]
) -> None:
    warehouse = deployments.memory_storage().warehouse
    storage = deployments.Storage(LocalLake(tmp_path), warehouse)
    for minute, status in ((0, "AVAILABLE"), (10, "CHARGING"), (70, "CHARGING"), (130, None)):
        hours.put(storage.lake, minute, stand(status))
    partitions = list(hours_archived(storage.lake))
    job = build(storage, feeds={}).resolve_job_def("load_hour")

    def run(hour: Hour) -> None:
        assert job.execute_in_process(partition_key=hour.key).success

    for hour in partitions:
        run(hour)
    files, rows = contents(tmp_path), hours.digests(warehouse)
    for hour in reversed(partitions):
        run(hour)
    assert contents(tmp_path) == files
    assert hours.digests(warehouse) == rows
    report_observed(
        f"{len(partitions)} hours again, in another order: {len(files)} files, {len(rows)} tables"
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }

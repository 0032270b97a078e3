"""The job `maintain`: what it deletes and keeps, and that hours stay loaded."""

from collections import Counter
from datetime import UTC, timedelta
from typing import Any

import dagster as dg
import pytest

from charging_assets import deployments
from charging_assets.archive.compacted_days import ArchiveLake
from charging_assets.archive.gaps import accept
from charging_assets.archive.raw_archive import archive, hours_archived
from charging_assets.definitions import build
from charging_assets.hours import Hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.orchestration.staleness import stale_hours
from charging_assets_tests import builders
from charging_assets_tests.clocks import STOPPED_AT
from charging_assets_tests.modelling import hours

pytestmark = pytest.mark.usefixtures("stopped_clock")

OLD, MIDDLE, NEW = (Hour.of(STOPPED_AT - timedelta(days=days)) for days in (500, 100, 1))


def put(lake: Any, hour: Hour) -> None:
    station = hours.station([hours.evse("e1"), hours.evse("e2", "NONSENSE")])
    body = builders.envelope(station, at=hour.start.isoformat())
    builders.archived(lake, builders.poll(slot_at=hour.start), {"koeln": body})


def count_rows(storage: deployments.Storage, table: str) -> dict[Hour, int]:
    counts = storage.warehouse.query(
        f"SELECT DATE_TRUNC('hour', slot_at) AS at, COUNT(*) AS n FROM {table} GROUP BY 1"
    ).to_pylist()
    return {Hour.of(row["at"].replace(tzinfo=UTC)): row["n"] for row in counts}


def test_maintain__prunes_by_age_and_leaves_every_hour_loaded() -> None:
    storage = deployments.Storage(MemoryLake(), deployments.memory_storage().warehouse)
    for hour in (OLD, MIDDLE, NEW):
        put(storage.lake, hour)
        hours.load(storage.warehouse, storage.lake, hour)
    accept(storage.lake, [Hour.of(NEW.end)], "a test", STOPPED_AT)
    before = hours.digests(storage.warehouse)
    assert set(count_rows(storage, "staging.flat_status")) == {OLD, MIDDLE, NEW}
    job = build(storage, feeds={}).resolve_job_def("maintain")
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance).success
    assert set(count_rows(storage, "staging.flat_status")) == {NEW}
    assert set(count_rows(storage, "ops.flat_rejects")) == {MIDDLE, NEW}
    assert set(count_rows(storage, "ops.gaps")) == {Hour.of(NEW.end)}
    after = hours.digests(storage.warehouse)
    changed = {name for name in before if before[name] != after[name]}
    assert {name.split(".")[0] for name in changed} == {"staging", "ops"}
    stale = [each.hour for each in stale_hours(storage.lake, storage.warehouse)]
    assert stale == [Hour.of(NEW.end)]


def test_maintain__rejects_shorter_retention_for_rejects_than_for_staging() -> None:
    job = build(deployments.memory_storage(), feeds={}).resolve_job_def("maintain")
    config = {"ops": {"prune": {"config": {"staging_days": 20, "rejects_days": 10}}}}
    result = job.execute_in_process(run_config=config, raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert (
        "keep rejects at least as long as staged rows"
        in failure.step_failure_data.user_failure_data.description
    )


def archived_days(lake: MemoryLake) -> dict[str, int]:
    """The objects in the lake of each day of the archive, by feed and day."""
    return dict(Counter("/".join(key.split("/")[1:3]) for key in lake.keys("raw/")))


def put_day(lake: MemoryLake, feed: str, hour: Hour) -> list[str]:
    """Eight polls of a feed, on the day of an hour; their keys."""
    day = hour.start.replace(hour=0)
    slots = [day + timedelta(hours=3 * number) for number in range(8)]
    places = [builders.place("koeln", b"{}")]
    return [
        archive(lake, builders.poll(feed=feed, slot_at=slot, started_at=slot), places)[0]
        for slot in slots
    ]


def test_maintain__compacts_past_days_of_every_feed() -> None:
    lake = MemoryLake()
    storage = deployments.Storage(ArchiveLake(lake), deployments.memory_storage().warehouse)
    yesterday = Hour.of(STOPPED_AT - timedelta(days=1))
    for feed in ("one", "two"):
        for hour in (MIDDLE, yesterday):
            put_day(lake, feed, hour)
    before = hours_archived(storage.lake)
    job = build(storage, feeds={}).resolve_job_def("maintain")
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance).success
    for feed in ("one", "two"):
        objects = archived_days(lake)
        assert objects[f"feed={feed}/date={MIDDLE.start:%Y-%m-%d}"] == 2
        assert objects[f"feed={feed}/date={yesterday.start:%Y-%m-%d}"] == 8
    assert hours_archived(storage.lake) == before


@pytest.mark.fault(
    "One feed's archive is damaged while days are compacted",
    "its day is unchanged and reported; the other feed's days are compacted",
    area="storage",
)
def test_maintain__a_damaged_day_of_a_feed_is_reported_and_blocks_nothing_else() -> None:
    lake = MemoryLake()
    storage = deployments.Storage(ArchiveLake(lake), deployments.memory_storage().warehouse)
    damaged = put_day(lake, "one", MIDDLE)[3]
    put_day(lake, "two", MIDDLE)
    lake.put(damaged, lake.get(damaged)[:-9])
    job = build(storage, feeds={}).resolve_job_def("maintain")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_key == "compact_archive"
    assert "one: " in (failure.step_failure_data.user_failure_data.description or "")
    assert damaged in (failure.step_failure_data.user_failure_data.description or "")
    finished = {event.step_key for event in result.all_events if event.is_step_success}
    assert finished == {"copy_notes", "prune", "maintain_warehouse", "prune_run_history"}
    day = f"date={MIDDLE.start:%Y-%m-%d}"
    assert archived_days(lake) == {f"feed=one/{day}": 8, f"feed=two/{day}": 2}


def test_maintain__without_compaction_leaves_the_archive_unchanged() -> None:
    lake = MemoryLake()
    storage = deployments.Storage(ArchiveLake(lake), deployments.memory_storage().warehouse)
    put_day(lake, "one", MIDDLE)
    job = build(storage, feeds={}).resolve_job_def("maintain")
    config = {"ops": {"compact_archive": {"config": {"compact": False}}}}
    assert job.execute_in_process(run_config=config).success
    assert set(archived_days(lake).values()) == {8}

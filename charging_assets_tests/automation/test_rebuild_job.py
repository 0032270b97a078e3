"""The job `rebuild`: what it loads, what Dagster knows of it afterwards, and how it fails."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from charging_assets import deployments
from charging_assets.automation.pending import pending_hours
from charging_assets.definitions import build
from charging_assets.partitions import naive
from charging_assets.storage.memory import MemoryLake
from charging_assets_tests.modelling import hours

pytestmark = pytest.mark.slow

HOURS = [hours.hour_after(number) for number in range(3)]


@pytest.fixture
def storage() -> deployments.Storage:
    lake = hours.lake_of({60 * number: hours.stand() for number in range(len(HOURS))})
    return deployments.Storage(lake, deployments.memory_storage().warehouse)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def _run(
    storage: deployments.Storage, instance: dg.DagsterInstance, **config: object
) -> dg.ExecuteInProcessResult:
    job = build(storage, feeds={}).resolve_job_def("rebuild")
    asked = {"ops": {"rebuild_stale_hours": {"config": config}}}
    return job.execute_in_process(run_config=asked, instance=instance, raise_on_error=False)


def test_rebuild__loads_all_and_dagster_knows_every_partition(
    storage: deployments.Storage, instance: dg.DagsterInstance
) -> None:
    assert _run(storage, instance).success
    assert pending_hours(storage.lake, storage.warehouse) == []
    loaded = {key.to_user_string() for key in instance.all_asset_keys()}
    graph = build(storage, feeds={}).resolve_asset_graph()
    wanted = {
        key.to_user_string()
        for key in graph.get_all_asset_keys()
        if graph.get(key).is_partitioned and graph.get(key).is_materializable
    }
    assert loaded == wanted - {"raw_api_snapshots", "utilisation_report"}
    for name in loaded:
        known = instance.get_materialized_partitions(dg.AssetKey(name))
        assert known == {hour.key for hour in HOURS}, name
    (event,) = instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey("fact_poll"), asset_partitions=[HOURS[0].key]), limit=9
    ).records
    assert event.asset_materialization is not None
    told = event.asset_materialization.metadata["dagster/partition_row_count"].value
    assert (
        told
        == storage.warehouse.query(
            "SELECT COUNT(*) AS n FROM warehouse.fact_poll WHERE slot_at < :end",
            {"end": naive(HOURS[0].end)},
        ).to_pylist()[0]["n"]
    )


def test_rebuild__of_one_hour_without_record__loads_it_and_notes_nothing(
    storage: deployments.Storage, instance: dg.DagsterInstance
) -> None:
    one = HOURS[1].key
    assert _run(storage, instance, first=one, last=one, record=False).success
    assert [found.hour for found in pending_hours(storage.lake, storage.warehouse)] == [
        HOURS[0],
        HOURS[2],
    ]
    assert not list(instance.all_asset_keys())


def test_rebuild__with_a_damaged_object__fails_says_which_and_notes_the_others(
    storage: deployments.Storage, instance: dg.DagsterInstance
) -> None:
    assert isinstance(storage.lake, MemoryLake)
    damaged = next(key for key in storage.lake.objects if "hour=21" in key)
    storage.lake.objects[damaged] = storage.lake.objects[damaged][:-9]
    done = _run(storage, instance)
    (failure,) = [event for event in done.all_events if event.is_step_failure]
    told = failure.step_failure_data.user_failure_data.description
    assert told.startswith("1 hour failed, still stale") and damaged in told
    for name in ("flat_evses", "staged_tables", "mart_city_day", "published_tables"):
        known = instance.get_materialized_partitions(dg.AssetKey(name))
        assert known == {HOURS[0].key, HOURS[2].key}, name

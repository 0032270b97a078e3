"""Checks in Dagster: what is shown, under which hour, and how hours are checked afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from charging_assets import definitions, deployments
from charging_assets.checks import assets
from charging_assets.checks.hours import check_hours
from charging_assets.checks.registry import HOURLY, RULES
from charging_assets.checks.rules import Finding, Rule
from charging_assets.partitions import hourly_partitions
from charging_assets_tests.checks.worlds import evse, network, station
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR

SENSOR = dg.AssetCheckKey(dg.AssetKey("flat_status"), "flat_status__sensor_agrees")


@pytest.fixture(scope="module")
def storage() -> deployments.Storage:
    made = deployments.memory_storage()
    odd = station([evse("e7", "CHARGING", parkingsensor_status="AVAILABLE")], "s7")
    for minute in (0, 10, 60):
        hours.put(made.lake, minute, [*network(), odd])
    return made


@pytest.fixture(scope="module")
def defs(storage: deployments.Storage) -> dg.Definitions:
    return definitions.build(storage, feeds={})


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as made:
        yield made


@pytest.fixture(scope="module")
def run(defs: dg.Definitions, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    job = defs.resolve_job_def("load_hour")
    return job.execute_in_process(partition_key=HOUR.key, instance=instance)


def evaluations(run: dg.ExecuteInProcessResult) -> dict[str, Any]:
    return {found.check_name: found for found in run.get_asset_check_evaluations()}


def test_load_hour__runs_every_check(run: dg.ExecuteInProcessResult) -> None:
    assert run.success
    assert set(evaluations(run)) == {rule.name for rule in RULES}


def test_checks__are_of_the_hour_but_for_those_of_now(run: dg.ExecuteInProcessResult) -> None:
    hourly = {rule.name for rule in HOURLY}
    told = {name: found.partition for name, found in evaluations(run).items()}
    assert {name for name, hour in told.items() if hour == HOUR.key} == hourly


def test_checks__cost_an_event_each_and_a_step_a_layer(run: dg.ExecuteInProcessResult) -> None:
    evaluated = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    steps = {event.step_key for event in run.all_events if event.event_type == evaluated}
    assert len(steps) <= 6
    of_checks = [event for event in run.all_events if event.step_key in steps]
    assert len(of_checks) == len(RULES) + 2 * len(steps)  # and where each step begins and ends


def test_check__that_cannot_be_evaluated_costs_no_other(
    defs: dg.Definitions, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = defs.resolve_job_def("load_hour")
    of_flat = [rule for rule in HOURLY if rule.asset == "flat_status"]
    keys = {dg.AssetCheckKey(dg.AssetKey(rule.asset), rule.name) for rule in of_flat}
    really = assets.found

    def broken(rule: Rule, scene: Any) -> Finding:
        if rule.name == SENSOR.name:
            raise ValueError("no such column")
        return really(rule, scene)

    monkeypatch.setattr(assets, "found", broken)
    done = whole.get_subset(asset_selection=set(), asset_check_selection=keys).execute_in_process(
        partition_key=HOUR.key, instance=instance, raise_on_error=False
    )
    assert set(evaluations(done)) == {rule.name for rule in of_flat} - {SENSOR.name}
    (failure,) = [event for event in done.all_events if event.is_step_failure]
    told = failure.step_failure_data.user_failure_data.description
    assert told == (f"1 check could not be evaluated: {SENSOR.name}: ValueError: no such column")


def test_poll__runs_no_check(defs: dg.Definitions) -> None:
    steps = {node.name for node in defs.resolve_job_def("poll").nodes}
    assert steps == {"raw_api_snapshots"}


def test_check__shows_rows_a_sample_and_what_to_do(run: dg.ExecuteInProcessResult) -> None:
    found = evaluations(run)[SENSOR.name]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "1 row, such as" in found.description and "evse_uid=e7" in found.description
    assert found.metadata["offending_rows"].value == 1
    assert "tell the operator" in found.metadata["what_to_do"].value
    (record,) = found.metadata["sample"].records
    assert (record.data["evse_uid"], record.data["poll_count"]) == ("e7", 2)


def test_every_asset_has_checks(defs: dg.Definitions) -> None:
    keys = {spec.key.path[-1] for spec in defs.resolve_all_asset_specs()}
    # The report shows what marts hold, which have checks of their own.
    assert {rule.asset for rule in RULES} == keys - {"utilisation_report"}


def test_checks__are_partitioned_as_their_assets(defs: dg.Definitions) -> None:
    specs = [spec for checks in defs.asset_checks or [] for spec in checks.check_specs]
    hourly = {spec.name for spec in specs if spec.partitions_def == hourly_partitions()}
    assert hourly == {rule.name for rule in HOURLY}


def test_one_check__can_be_run_alone(
    defs: dg.Definitions, instance: dg.DagsterInstance, run: dg.ExecuteInProcessResult
) -> None:
    assert run.success
    # As the UI does: a job that selects checks alone has no partitions in this release.
    whole = defs.resolve_job_def("load_hour")
    alone = whole.get_subset(asset_selection=set(), asset_check_selection={SENSOR})
    done = alone.execute_in_process(partition_key=HOUR.key, instance=instance)
    assert [found.check_name for found in done.get_asset_check_evaluations()] == [SENSOR.name]


def test_check_hours__records_each_hour_of_a_backfill(
    defs: dg.Definitions, instance: dg.DagsterInstance, storage: deployments.Storage
) -> None:
    last = hours.hour_after(1)
    tags = {
        "dagster/asset_partition_range_start": HOUR.key,
        "dagster/asset_partition_range_end": last.key,
    }
    done = defs.resolve_job_def("backfill").execute_in_process(instance=instance, tags=tags)
    assert done.success and list(done.get_asset_check_evaluations()) == []
    before = datetime.now(UTC).timestamp()
    config = {"ops": {"check_each_hour": {"config": {"first": HOUR.key, "last": last.key}}}}
    checked = defs.resolve_job_def("check_hours").execute_in_process(
        instance=instance, run_config=config
    )
    assert checked.success
    told = instance.event_log_storage.get_asset_check_execution_history(SENSOR, limit=2)
    assert {_partition(record) for record in told} == {HOUR.key, last.key}
    assert all(record.create_timestamp >= before - 1 for record in told)


def test_check_hours__may_be_run_again(
    defs: dg.Definitions, instance: dg.DagsterInstance, run: dg.ExecuteInProcessResult
) -> None:
    assert run.success
    job = defs.resolve_job_def("check_hours")
    config = {"ops": {"check_each_hour": {"config": {"first": HOUR.key, "last": HOUR.key}}}}
    for _ in range(2):
        done = job.execute_in_process(instance=instance, run_config=config)
        assert {found.check_name for found in done.get_asset_check_evaluations()} == {
            rule.name for rule in HOURLY
        }
        (told,) = instance.event_log_storage.get_asset_check_execution_history(SENSOR, limit=1)
        assert (told.run_id, _partition(told)) == (done.run_id, HOUR.key)


def test_check_hours__of_an_hour_that_is_not_loaded_says_so(storage: deployments.Storage) -> None:
    nowhere = hours.hour_after(9)
    (told,) = check_hours(storage.lake, storage.warehouse, [nowhere])
    assert told.error is not None and f"materialize the flat tables of {nowhere}" in told.error
    assert told.failed == []


def _partition(record: Any) -> str:
    return str(record.event.dagster_event.event_specific_data.partition)

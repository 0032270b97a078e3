"""Asset checks in Dagster: results, their partitions, and the job `check_hours`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.event_api import PartitionKeyFilter
from hypothesis import given
from hypothesis import strategies as st

from charging_assets import definitions, deployments
from charging_assets.checks import assets
from charging_assets.checks.registry import FRESHNESS, HOURLY, RULES
from charging_assets.checks.rules import Finding, Rule
from charging_assets.hours import Hour, hourly_partitions, slot_of
from charging_assets.modelling.staged_hours import prune
from charging_assets.orchestration.runs import FIRST_TAG, LAST_TAG
from charging_assets.text import count_noun
from charging_assets_tests import builders
from charging_assets_tests.checks.stores import FEEDS, evse, network, station
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR

RANGE = (HOUR, hours.hour_after(1))
SENSOR = dg.AssetCheckKey(dg.AssetKey("flat_status"), "flat_status__sensor_agrees")


@pytest.fixture(scope="module")
def storage() -> deployments.Storage:
    memory = deployments.memory_storage()
    contradictory = station([evse("e7", "CHARGING", parkingsensor_status="AVAILABLE")], "s7")
    for minute in (0, 10, 60):
        hours.put(memory.lake, minute, [*network(), contradictory])
    return memory


@pytest.fixture(scope="module")
def defs(storage: deployments.Storage) -> dg.Definitions:
    return definitions.build(storage, feeds={})


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as temporary:
        yield temporary


@pytest.fixture(scope="module")
def run(defs: dg.Definitions, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    job = defs.resolve_job_def("load_hour")
    return job.execute_in_process(partition_key=HOUR.key, instance=instance)


@pytest.fixture(scope="module")
def ranged(defs: dg.Definitions, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """A run of two hours, as the UI launches a backfill."""
    job = defs.resolve_job_def("load_hour")
    return job.execute_in_process(instance=instance, tags=range_tags(*RANGE))


def range_tags(first: Hour, last: Hour) -> dict[str, str]:
    return {FIRST_TAG: first.key, LAST_TAG: last.key}


def checks_only(defs: dg.Definitions, names: set[str]) -> dg.JobDefinition:
    """A job with the named checks and no assets, as GraphQL selects them."""
    keys = {dg.AssetCheckKey(dg.AssetKey(r.asset), r.name) for r in HOURLY if r.name in names}
    job = defs.resolve_job_def("load_hour")
    return job.get_subset(asset_selection=set(), asset_check_selection=keys)


def failure_of(run: dg.ExecuteInProcessResult) -> str:
    (failure,) = [event for event in run.all_events if event.is_step_failure]
    return str(failure.step_failure_data.user_failure_data.description)


def evaluations(run: dg.ExecuteInProcessResult) -> dict[str, Any]:
    return {result.check_name: result for result in run.get_asset_check_evaluations()}


def test_load_hour__runs_every_check_of_its_hour(run: dg.ExecuteInProcessResult) -> None:
    assert run.success
    assert set(evaluations(run)) == {rule.name for rule in HOURLY}
    assert {result.partition for result in evaluations(run).values()} == {HOUR.key}


def test_checks__store_one_event_each_in_one_step_per_layer(run: dg.ExecuteInProcessResult) -> None:
    evaluated = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    steps = {event.step_key for event in run.all_events if event.event_type == evaluated}
    assert len(steps) <= 5
    of_checks = [event for event in run.all_events if event.step_key in steps]
    assert len(of_checks) == len(HOURLY) + 2 * len(steps)  # also the start and the end of each step


def test_range__records_each_check_under_each_hour(
    defs: dg.Definitions, instance: dg.DagsterInstance, ranged: dg.ExecuteInProcessResult
) -> None:
    assert ranged.success
    results = ranged.get_asset_check_evaluations()
    recorded = [(result.check_name, result.partition) for result in results]
    assert sorted(recorded) == sorted((rule.name, hour.key) for rule in HOURLY for hour in RANGE)
    for hour in RANGE:
        (record,) = instance.event_log_storage.get_asset_check_execution_history(
            SENSOR, limit=1, partition_filter=PartitionKeyFilter(key=hour.key)
        )
        assert (record.run_id, record.status.value) == (ranged.run_id, "FAILED")


def test_range__results_equal_those_of_single_hours(
    run: dg.ExecuteInProcessResult, ranged: dg.ExecuteInProcessResult
) -> None:
    of_first = [e for e in ranged.get_asset_check_evaluations() if e.partition == HOUR.key]
    alone, shared = evaluations(run), {result.check_name: result for result in of_first}
    assert {name: result.passed for name, result in shared.items()} == {
        name: result.passed for name, result in alone.items()
    }
    assert shared[SENSOR.name].description == alone[SENSOR.name].description


def test_range__hour_that_cannot_be_checked_does_not_affect_others(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    ranged: dg.ExecuteInProcessResult,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ranged.success
    hour_context = assets.hour_context

    def fail(hour: Hour, *arguments: Any) -> Any:
        if hour == RANGE[0]:
            raise OSError("no such disk")
        return hour_context(hour, *arguments)

    monkeypatch.setattr(assets, "hour_context", fail)
    flat = {rule.name for rule in HOURLY if rule.asset == "flat_status"}
    done = checks_only(defs, flat).execute_in_process(
        instance=instance, tags=range_tags(*RANGE), raise_on_error=False
    )
    recorded = {(e.check_name, e.partition) for e in done.get_asset_check_evaluations()}
    assert recorded == {(name, RANGE[1].key) for name in flat}
    description = failure_of(done)
    assert f"{SENSOR.name} of {RANGE[0]}: OSError: no such disk" in description
    assert RANGE[1].key not in description


def test_range__some_checks_with_assets_and_without(
    defs: dg.Definitions, instance: dg.DagsterInstance, ranged: dg.ExecuteInProcessResult
) -> None:
    assert ranged.success
    asset_job = defs.resolve_implicit_global_asset_job_def()
    balance = "fact_poll__matches_staged_polls"
    for selected_assets in ({dg.AssetKey("fact_poll")}, set[dg.AssetKey]()):
        job = asset_job.get_subset(
            asset_selection=selected_assets,
            asset_check_selection={dg.AssetCheckKey(dg.AssetKey("fact_poll"), balance)},
        )
        done = job.execute_in_process(instance=instance, tags=range_tags(*RANGE))
        recorded = [(e.check_name, e.partition) for e in done.get_asset_check_evaluations()]
        assert recorded == [(balance, hour.key) for hour in RANGE]
        of_polls = done.get_asset_materialization_events()
        assert len(of_polls) == len(RANGE) * len(selected_assets)


def test_range__without_checks_records_none(
    defs: dg.Definitions, instance: dg.DagsterInstance, ranged: dg.ExecuteInProcessResult
) -> None:
    assert ranged.success
    job = defs.resolve_job_def("load_hour").get_subset(
        asset_selection={dg.AssetKey("fact_poll")}, asset_check_selection=set()
    )
    done = job.execute_in_process(instance=instance, tags=range_tags(*RANGE))
    assert done.success and list(done.get_asset_check_evaluations()) == []


@given(
    failing=st.sets(
        st.tuples(st.sampled_from(range(4)), st.sampled_from(["a", "b", "c"])), max_size=12
    )
)
def test_evaluate_hours__records_other_results_and_names_failed_rules(
    failing: set[tuple[int, str]],
) -> None:
    wanted = [hours.hour_after(n) for n in range(4)]

    def find(name: str) -> Any:
        def rows(context: Any) -> list[dict[str, Any]]:
            if (wanted.index(context.hour), name) in failing:
                raise ValueError("broken")
            return []

        return rows

    rules = [Rule("fact_poll", name, "", "", find(name)) for name in ("a", "b", "c")]
    empty = deployments.memory_storage()
    recorded: set[tuple[str, str | None]] = set()
    description = ""
    try:
        for result in assets.evaluate_hours(rules, wanted, empty.lake, empty.warehouse):
            recorded.add((result.check_name, result.partition))
    except dg.Failure as failure:
        description = str(failure.description)
    everything = {(rule.name, hour.key) for rule in rules for hour in wanted}
    failed = {(f"fact_poll__{name}", wanted[n].key) for n, name in failing}
    assert recorded == everything - failed
    assert bool(description) == bool(failed)
    if failed:
        assert description.startswith(
            f"{count_noun(len(failed), 'check')} could not be evaluated: "
        )
        named = {(name, hour) for name, hour in failed if f"{name} of {hour}: " in description}
        assert len(named) == min(len(failed), 10)


def test_check__error_does_not_affect_other_checks(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    run: dg.ExecuteInProcessResult,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert run.success  # the hour has flat files
    job = defs.resolve_job_def("load_hour")
    of_flat = [rule for rule in HOURLY if rule.asset == "flat_status"]
    keys = {dg.AssetCheckKey(dg.AssetKey(rule.asset), rule.name) for rule in of_flat}
    evaluate_rule = assets.evaluate_rule

    def fail(rule: Rule, context: Any) -> Finding:
        if rule.name == SENSOR.name:
            raise ValueError("no such column")
        return evaluate_rule(rule, context)

    monkeypatch.setattr(assets, "evaluate_rule", fail)
    done = job.get_subset(asset_selection=set(), asset_check_selection=keys).execute_in_process(
        partition_key=HOUR.key, instance=instance, raise_on_error=False
    )
    assert set(evaluations(done)) == {rule.name for rule in of_flat} - {SENSOR.name}
    (failure,) = [event for event in done.all_events if event.is_step_failure]
    description = failure.step_failure_data.user_failure_data.description
    assert description == (
        f"1 check could not be evaluated: {SENSOR.name} of {HOUR}: ValueError: no such column"
    )


def test_poll__runs_no_check(defs: dg.Definitions) -> None:
    steps = {node.name for node in defs.resolve_job_def("poll").nodes}
    assert steps == {"raw_api_snapshots"}


def test_check__reports_rows_a_sample_and_remedy(run: dg.ExecuteInProcessResult) -> None:
    result = evaluations(run)[SENSOR.name]
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "1 row, such as" in result.description and "evse_uid=e7" in result.description
    assert result.metadata["failing_rows"].value == 1
    assert "report it to the operator" in result.metadata["remedy"].value
    passed = evaluations(run)["flat_status__status_is_ocpi"]
    assert passed.passed and "remedy" not in passed.metadata
    (record,) = result.metadata["sample"].records
    assert (record.data["evse_uid"], record.data["poll_count"]) == ("e7", 2)


def test_every_asset_has_checks(defs: dg.Definitions) -> None:
    keys = {spec.key.path[-1] for spec in defs.resolve_all_asset_specs()}
    # The report shows only data of marts, which have their own checks.
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
    job = defs.resolve_job_def("load_hour")
    alone = job.get_subset(asset_selection=set(), asset_check_selection={SENSOR})
    done = alone.execute_in_process(partition_key=HOUR.key, instance=instance)
    assert [result.check_name for result in done.get_asset_check_evaluations()] == [SENSOR.name]


def test_check_hours__can_run_again(
    defs: dg.Definitions, instance: dg.DagsterInstance, run: dg.ExecuteInProcessResult
) -> None:
    assert run.success
    job = defs.resolve_job_def("check_hours")
    config = {"ops": {"check_each_hour": {"config": {"first": HOUR.key, "last": HOUR.key}}}}
    for _ in range(2):
        done = job.execute_in_process(instance=instance, run_config=config)
        assert {result.check_name for result in done.get_asset_check_evaluations()} == {
            rule.name for rule in HOURLY
        }
        (record,) = instance.event_log_storage.get_asset_check_execution_history(SENSOR, limit=1)
        assert (record.run_id, _partition(record)) == (done.run_id, HOUR.key)


def test_check_hours__skips_and_logs_hours_not_loaded(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    run: dg.ExecuteInProcessResult,
    ranged: dg.ExecuteInProcessResult,
) -> None:
    assert run.success and ranged.success
    not_loaded = hours.hour_after(2)
    config = {"ops": {"check_each_hour": {"config": {"first": HOUR.key, "last": not_loaded.key}}}}
    done = defs.resolve_job_def("check_hours").execute_in_process(
        instance=instance, run_config=config
    )
    assert done.success
    recorded = {result.partition for result in done.get_asset_check_evaluations()}
    assert recorded == {hour.key for hour in RANGE}
    log = [entry.user_message for entry in instance.all_logs(done.run_id)]
    assert any(f"materialize the flat tables of {not_loaded}" in message for message in log)


def test_checks__reading_staging_are_skipped_for_pruned_hours() -> None:
    memory = deployments.memory_storage()
    for minute in (0, 60):
        hours.put(memory.lake, minute, network())
    pruned, kept = HOUR, hours.hour_after(1)
    for hour in (pruned, kept):
        hours.load(memory.warehouse, memory.lake, hour)
    prune(memory.warehouse, pruned)
    over_staging = {rule.name for rule in HOURLY if rule.reads_staging}
    results = list(assets.evaluate_hours(HOURLY, [pruned, kept], memory.lake, memory.warehouse))
    by_hour = {
        hour: {result.check_name for result in results if result.partition == hour.key}
        for hour in (pruned, kept)
    }
    assert by_hour[kept] - by_hour[pruned] == over_staging
    assert {"fact_poll__matches_staged_polls", "fact_status__covers_every_polled_row"} <= (
        over_staging
    )


def test_check_freshness__needs_no_partition_and_loads_nothing(
    defs: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    job = defs.resolve_job_def("check_freshness")
    assert job.partitions_def is None
    assert {node.name for node in job.nodes} == {"freshness_checks"}
    done = job.execute_in_process(instance=instance)
    results = done.get_asset_check_evaluations()
    assert {(e.check_name, e.partition) for e in results} == {(r.name, None) for r in FRESHNESS}
    assert list(done.get_asset_materialization_events()) == []


def test_check_freshness__fails_when_the_newest_poll_is_two_hours_old(
    instance: dg.DagsterInstance,
) -> None:
    memory, feed = deployments.memory_storage(), FEEDS["test"]
    now = datetime.now(UTC)
    job = definitions.build(memory, feeds=FEEDS).resolve_job_def("check_freshness")
    states = []
    for age in (timedelta(hours=2), timedelta(minutes=10)):
        slot_at = slot_of(now - age, feed.cadence)
        builders.archived(memory.lake, builders.poll(slot_at=slot_at), {"koeln": b"{}"})
        done = job.execute_in_process(instance=instance)
        assert done.success
        states.append({e.check_name: e.passed for e in done.get_asset_check_evaluations()})
    archived, loaded = (rule.name for rule in FRESHNESS)
    assert states[0] == {archived: False, loaded: False}
    assert states[1][archived]


def _partition(record: Any) -> str:
    return str(record.event.dagster_event.event_specific_data.partition)

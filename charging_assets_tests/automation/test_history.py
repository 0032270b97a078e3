"""Old runs go; what the UI knows of partitions and checks stays."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from charging_assets.automation.history import forget_runs

HOURS = dg.StaticPartitionsDefinition(["a", "b"])
CONSOLE = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dg.asset(partitions_def=HOURS, code_version="7")
def table(context: dg.AssetExecutionContext) -> None:
    if "fail" in context.run.tags:
        raise dg.Failure("as asked")
    context.add_asset_metadata({"rows": 3})


JOB = dg.Definitions(
    assets=[table], jobs=[dg.define_asset_job("job")], executor=dg.in_process_executor
).resolve_job_def("job")
KEY = dg.AssetKey("table")
CHECKED = dg.AssetCheckKey(KEY, "is_fresh")


@dg.asset_check(asset=KEY)
def is_fresh() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False)


CHECK = dg.Definitions(
    asset_checks=[is_fresh],
    jobs=[dg.define_asset_job("check", selection=dg.AssetSelection.checks(is_fresh))],
    executor=dg.in_process_executor,
).resolve_job_def("check")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as found:
        yield found


def run(instance: dg.DagsterInstance, partition: str, **tags: str) -> str:
    return JOB.execute_in_process(
        partition_key=partition, tags=tags, instance=instance, run_config=CONSOLE,
        raise_on_error=False,
    ).run_id  # fmt: skip


def forget(instance: dg.DagsterInstance, *, days_later: float, most: int = 99) -> tuple[int, int]:
    done = forget_runs(
        instance,
        now=datetime.now(UTC) + timedelta(days=days_later),
        superseded_after=timedelta(days=2),
        all_after=timedelta(days=90),
        most=most,
    )
    return done.runs, done.kept_materializations


def left(instance: dg.DagsterInstance) -> set[str]:
    return {found.run_id for found in instance.get_runs()}


def test_forget__repeated_runs_go_after_days_and_the_last_one_stays(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    first, second, failed = run(instance, "a"), run(instance, "a"), run(instance, "b", fail="1")
    assert forget(instance, days_later=1) == (0, 0)
    assert forget(instance, days_later=3) == (1, 0)
    assert left(instance) == {second, failed}
    assert instance.get_materialized_partitions(KEY) == {"a"}
    assert [path.name for path in tmp_path.rglob(f"{first}*") if path.is_file()] == []


def test_forget__what_the_last_run_of_a_partition_made_stays_known(
    instance: dg.DagsterInstance,
) -> None:
    run_id = run(instance, "a")
    failed = run(instance, "b", fail="1")
    assert forget(instance, days_later=89) == (0, 0)
    assert forget(instance, days_later=91) == (2, 1)
    assert left(instance) == set()
    assert failed not in left(instance)
    assert instance.get_materialized_partitions(KEY) == {"a"}
    (record,) = instance.fetch_materializations(KEY, limit=9).records
    kept = record.asset_materialization
    assert kept is not None
    assert (kept.partition, kept.metadata["rows"].value) == ("a", 3)
    assert kept.metadata["run_of_old"].value == run_id
    assert (kept.tags or {})["dagster/code_version"] == "7"


def test_forget__is_bounded_a_day(instance: dg.DagsterInstance) -> None:
    for _ in range(4):
        run(instance, "a")
    assert forget(instance, days_later=3, most=2) == (2, 0)
    assert len(left(instance)) == 2


def test_forget__results_of_checks_go_with_their_runs_and_the_newest_stays(
    instance: dg.DagsterInstance,
) -> None:
    # As freshness is checked: runs that materialize nothing, every ten minutes.
    runs = [CHECK.execute_in_process(instance=instance, run_config=CONSOLE) for _ in range(3)]

    def recorded() -> list[str]:
        history = instance.event_log_storage.get_asset_check_execution_history(CHECKED, limit=9)
        return [record.run_id for record in history]

    assert recorded() == [done.run_id for done in reversed(runs)]
    assert forget(instance, days_later=1) == (0, 0)
    assert len(recorded()) == 3
    assert forget(instance, days_later=3) == (3, 0)
    assert left(instance) == set()
    assert recorded() == [runs[-1].run_id]

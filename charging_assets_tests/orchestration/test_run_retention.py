"""Old runs are deleted; the state of partitions and checks stays."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

from charging_assets.orchestration.run_retention import prune_runs
from charging_assets_tests.deploy.postgres import postgres
from charging_assets_tests.deploy.services import free_port

HOURS = dg.StaticPartitionsDefinition(["a", "b"])
CONSOLE = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dg.asset(partitions_def=HOURS, code_version="7")
def table(context: dg.AssetExecutionContext) -> None:
    if "fail" in context.run.tags:
        raise dg.Failure("requested")
    context.add_asset_metadata({"rows": 3})


JOB = dg.Definitions(
    assets=[table], jobs=[dg.define_asset_job("job")], executor=dg.in_process_executor
).resolve_job_def("job")
KEY = dg.AssetKey("table")


@dg.asset_check(asset=KEY)
def is_fresh() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False)


CHECK = dg.Definitions(
    asset_checks=[is_fresh],
    jobs=[dg.define_asset_job("check", selection=dg.AssetSelection.checks(is_fresh))],
    executor=dg.in_process_executor,
).resolve_job_def("check")


@dg.multi_asset_check(
    specs=[dg.AssetCheckSpec("is_whole", asset=KEY, partitions_def=HOURS)], can_subset=True
)
def hourly(context: dg.AssetCheckExecutionContext) -> Iterator[Any]:
    for partition in context.partition_keys:
        yield dg.AssetCheckEvaluation(
            asset_key=KEY, check_name="is_whole", passed=True, partition=partition
        )


HOURLY_CHECK = dg.Definitions(
    assets=[table],
    asset_checks=[hourly],
    jobs=[dg.define_asset_job("hourly_check", selection=dg.AssetSelection.all())],
    executor=dg.in_process_executor,
).resolve_job_def("hourly_check")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


@pytest.fixture(scope="module")
def database() -> Iterator[dict[str, str]]:
    with postgres(free_port()) as settings:
        yield settings


@pytest.fixture(params=["sqlite", "postgres"])
def any_instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance whose runs and events are in SQLite files, or in PostgreSQL."""
    overrides: dict[str, Any] = {}
    if request.param == "postgres":
        settings = request.getfixturevalue("database")
        overrides["storage"] = {
            "postgres": {
                "postgres_db": {
                    "scheme": "postgresql+psycopg2",
                    "hostname": settings["DAGSTER_POSTGRES_HOST"],
                    "port": int(settings["DAGSTER_POSTGRES_PORT"]),
                    "db_name": settings["DAGSTER_POSTGRES_DB"],
                    "username": settings["DAGSTER_POSTGRES_USER"],
                    "password": settings["DAGSTER_POSTGRES_PASSWORD"],
                }
            }
        }
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=overrides) as instance:
        yield instance


def run(instance: dg.DagsterInstance, partition: str, **tags: str) -> str:
    return JOB.execute_in_process(
        partition_key=partition, tags=tags, instance=instance, run_config=CONSOLE,
        raise_on_error=False,
    ).run_id  # fmt: skip


def prune(
    instance: dg.DagsterInstance, *, days_later: float, max_runs: int = 99
) -> tuple[int, int]:
    result = prune_runs(
        instance,
        now=datetime.now(UTC) + timedelta(days=days_later),
        superseded_after=timedelta(days=2),
        all_after=timedelta(days=90),
        max_runs=max_runs,
    )
    return result.runs_deleted, result.materializations_kept


def left(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


def test_prune_runs__deletes_superseded_runs_and_keeps_the_last(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    first, second, failed = run(instance, "a"), run(instance, "a"), run(instance, "b", fail="1")
    assert prune(instance, days_later=1) == (0, 0)
    assert prune(instance, days_later=3) == (1, 0)
    assert left(instance) == {second, failed}
    assert instance.get_materialized_partitions(KEY) == {"a"}
    assert [path.name for path in tmp_path.rglob(f"{first}*") if path.is_file()] == []


def test_prune_runs__keeps_the_latest_materialization_of_a_partition(
    instance: dg.DagsterInstance,
) -> None:
    run_id = run(instance, "a")
    failed = run(instance, "b", fail="1")
    assert prune(instance, days_later=89) == (0, 0)
    assert prune(instance, days_later=91) == (2, 1)
    assert left(instance) == set()
    assert failed not in left(instance)
    assert instance.get_materialized_partitions(KEY) == {"a"}
    (record,) = instance.fetch_materializations(KEY, limit=9).records
    kept = record.asset_materialization
    assert kept is not None
    assert (kept.partition, kept.metadata["rows"].value) == ("a", 3)
    assert kept.metadata["original_run_id"].value == run_id
    assert (kept.tags or {})["dagster/code_version"] == "7"


def test_prune_runs__limits_the_runs_per_call(instance: dg.DagsterInstance) -> None:
    for _ in range(4):
        run(instance, "a")
    assert prune(instance, days_later=3, max_runs=2) == (2, 0)
    assert len(left(instance)) == 2


def check_once(instance: dg.DagsterInstance, partition: str | None) -> str:
    """A run of a check, of a partition or of none; its id."""
    job = CHECK if partition is None else HOURLY_CHECK
    return job.execute_in_process(
        instance=instance, run_config=CONSOLE, partition_key=partition
    ).run_id


def results(instance: dg.DagsterInstance) -> list[str]:
    """The runs of the results that are stored, in order."""
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    columns = AssetCheckExecutionsTable.c
    with storage.index_connection() as connection:
        rows = connection.execute(sqlalchemy.select(columns.run_id).order_by(columns.id))
        return [row[0] for row in rows]


@pytest.mark.slow
def test_prune_runs__deletes_check_results_except_the_newest_of_each_partition(
    any_instance: dg.DagsterInstance,
) -> None:
    # Like the freshness checks: runs without materializations, every ten minutes.
    runs = [check_once(any_instance, partition) for partition in (None, "a", "b", "a", None, None)]
    assert results(any_instance) == runs
    assert prune(any_instance, days_later=1) == (0, 0)
    assert results(any_instance) == runs
    assert prune(any_instance, days_later=91) == (6, 2)
    assert left(any_instance) == set()
    assert results(any_instance) == [runs[2], runs[3], runs[5]]


def test_prune_runs__an_interrupted_call_is_completed_by_the_next(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [check_once(instance, None) for _ in range(4)]
    deleted: list[str] = []

    def delete_run(run_id: str) -> None:
        if len(deleted) == 1:
            raise KeyboardInterrupt
        deleted.append(run_id)
        dg.DagsterInstance.delete_run(instance, run_id)

    with monkeypatch.context() as patched:
        patched.setattr(instance, "delete_run", delete_run)
        with pytest.raises(KeyboardInterrupt):
            prune(instance, days_later=3)
    # Except the newest result, every result still has its run.
    assert set(results(instance)) <= left(instance)
    assert prune(instance, days_later=3) == (3, 0)
    assert results(instance) == [runs[-1]]

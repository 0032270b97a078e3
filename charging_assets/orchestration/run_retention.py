"""Deletes old runs from Dagster's history, but keeps the state of every partition.

If Dagster deletes a run, it also deletes the materializations of that run. So the latest
materialization of each partition is first recorded again, without a run. Dagster itself deletes old
ticks (`retention` in dagster.yaml).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

_FINISHED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]
# Deleting a run takes about 20 ms. This limits the duration of `maintain`; the next day continues.
MAX_RUNS_PER_DAY = 3000
# SQLite allows at least 999 parameters in a statement.
_RUNS_PER_STATEMENT = 500


@dataclass
class PruneResult:
    """The number of deleted runs, and of materializations that were recorded again for them."""

    runs_deleted: int = 0
    materializations_kept: int = 0


def prune_runs(
    instance: dg.DagsterInstance,
    *,
    now: datetime,
    superseded_after: timedelta,
    all_after: timedelta,
    max_runs: int = MAX_RUNS_PER_DAY,
) -> PruneResult:
    """Delete finished runs, oldest first.

    The check results of runs are deleted before the runs. If this is interrupted, the runs still
    exist and the next call deletes them.

    Args:
        superseded_after: minimum age of successful runs whose partitions were all materialized
            again by later runs, such as polls and refreshes of the current hour.
        all_after: minimum age of all other runs.
        max_runs: number of runs to look at.
    """
    result = PruneResult()
    superseded = _superseded(instance, now, superseded_after, all_after, max_runs)
    while batch := list(islice(superseded, _RUNS_PER_STATEMENT)):
        _delete_check_results(instance, [run_id for run_id, _ in batch])
        for run_id, latest in batch:
            for materialization in latest:
                instance.report_runless_asset_event(_without_run(materialization, run_id))
            _delete(instance, run_id)
            result.runs_deleted += 1
            result.materializations_kept += len(latest)
    return result


def _superseded(
    instance: dg.DagsterInstance,
    now: datetime,
    superseded_after: timedelta,
    all_after: timedelta,
    max_runs: int,
) -> Iterator[tuple[str, list[dg.AssetMaterialization]]]:
    """The runs to delete, oldest first, with the materializations that only they recorded."""
    for record in _old_runs(instance, now - superseded_after, max_runs):
        run = record.dagster_run
        latest = [
            materialization
            for materialization in _materializations(instance, run.run_id)
            if _is_latest(instance, materialization, run.run_id)
        ]
        is_old = record.update_timestamp <= now - all_after
        is_superseded = run.status == dg.DagsterRunStatus.SUCCESS and not latest
        if is_old or is_superseded:
            yield run.run_id, latest


def _old_runs(instance: dg.DagsterInstance, before: datetime, max_runs: int) -> list[Any]:
    return list(
        instance.get_run_records(
            filters=dg.RunsFilter(statuses=_FINISHED, updated_before=before),
            order_by="update_timestamp",
            ascending=True,
            limit=max_runs,
        )
    )


def _materializations(instance: dg.DagsterInstance, run_id: str) -> list[dg.AssetMaterialization]:
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    return [entry.asset_materialization for entry in entries if entry.asset_materialization]


def _is_latest(
    instance: dg.DagsterInstance, materialization: dg.AssetMaterialization, run_id: str
) -> bool:
    """Whether no later run has materialized the same partition of the same asset."""
    partition = materialization.partition
    records_filter = dg.AssetRecordsFilter(
        asset_key=materialization.asset_key,
        asset_partitions=None if partition is None else [partition],
    )
    newest = instance.fetch_materializations(records_filter, limit=1).records
    return bool(newest) and newest[0].run_id == run_id


def _without_run(materialization: dg.AssetMaterialization, run_id: str) -> dg.AssetMaterialization:
    """A copy of a materialization, with the id of its run in the metadata."""
    metadata: dict[str, Any] = {**materialization.metadata, "original_run_id": run_id}
    return dg.AssetMaterialization(
        asset_key=materialization.asset_key,
        description=materialization.description,
        metadata=metadata,
        partition=materialization.partition,
        tags={
            name: tag
            for name, tag in (materialization.tags or {}).items()
            # These point to events that are deleted with the run.
            if not name.startswith("dagster/input_event_pointer/")
        },
    )


def _delete_check_results(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> None:
    """Delete the check results of runs, except the newest result of each check and partition.

    Dagster keeps a row for each check and run even if the run is deleted: a million rows in four
    months of refreshes of the current hour.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return
    results = AssetCheckExecutionsTable.c
    # GROUP BY treats NULLs (checks without partitions) as equal. PostgreSQL runs NOT EXISTS as a
    # hash join, but NOT IN as a nested loop if the rows exceed its work_mem.
    newest = (
        sqlalchemy.select(sqlalchemy.func.max(results.id).label("id"))
        .group_by(results.asset_key, results.check_name, results.partition)
        .subquery("newest")
    )
    is_newest = sqlalchemy.exists().where(newest.c.id == results.id)
    with storage.index_connection() as connection:
        connection.execute(
            AssetCheckExecutionsTable.delete().where(results.run_id.in_(run_ids), ~is_newest)
        )


def _delete(instance: dg.DagsterInstance, run_id: str) -> None:
    instance.delete_run(run_id)
    with suppress(Exception):  # the logs may be absent
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    shard = getattr(instance.event_log_storage, "path_for_shard", None)
    if shard is not None:
        # Dagster deletes the rows of the run's SQLite file, but not the file.
        for suffix in ("", "-wal", "-shm"):
            Path(f"{shard(run_id)}{suffix}").unlink(missing_ok=True)

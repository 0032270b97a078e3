"""Dagster's run history: kept for a while, then made small without forgetting what is loaded.

Belongs here: which runs go, and keeping what the UI shows of partitions when they do. Does not
belong here: ticks, which Dagster itself forgets (`retention` in dagster.yaml).

Dagster forgets with a run that it materialized a partition. So the materializations of a run that
no later run has repeated are recorded again, without a run, before it is deleted.
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
# Deleting costs some 20 ms a run: a day's work of maintenance is bounded, the rest is tomorrow's.
MOST_A_DAY = 3000
# SQLite allows 999 parameters in a statement, or more.
_RUNS_A_STATEMENT = 500


@dataclass
class Forgotten:
    """How many runs were deleted, and how many materializations were recorded anew for them."""

    runs: int = 0
    kept_materializations: int = 0


def prune_runs(
    instance: dg.DagsterInstance,
    *,
    now: datetime,
    superseded_after: timedelta,
    all_after: timedelta,
    most: int = MOST_A_DAY,
) -> Forgotten:
    """Delete finished runs, oldest first, at most `most`.

    A successful run all of whose materializations were repeated (a poll's, a refresh's) goes after
    `superseded_after`, every other one after `all_after`.

    Results of checks go before their runs do: if this is cut short in between, the runs are still
    there, and the next time deletes what is left.
    """
    done = Forgotten()
    superseded = _superseded(instance, now, superseded_after, all_after, most)
    while batch := list(islice(superseded, _RUNS_A_STATEMENT)):
        _delete_check_results(instance, [run_id for run_id, _ in batch])
        for run_id, latest in batch:
            for found in latest:
                instance.report_runless_asset_event(_without_run(found, run_id))
            _delete(instance, run_id)
            done.runs += 1
            done.kept_materializations += len(latest)
    return done


def _superseded(
    instance: dg.DagsterInstance,
    now: datetime,
    superseded_after: timedelta,
    all_after: timedelta,
    most: int,
) -> Iterator[tuple[str, list[dg.AssetMaterialization]]]:
    """The runs to delete, oldest first, with the materializations that only they recorded."""
    for record in _old_runs(instance, now - superseded_after, most):
        run = record.dagster_run
        latest = [
            found
            for found in _materializations(instance, run.run_id)
            if _is_latest(instance, found, run.run_id)
        ]
        is_old = record.update_timestamp <= now - all_after
        is_superseded = run.status == dg.DagsterRunStatus.SUCCESS and not latest
        if is_old or is_superseded:
            yield run.run_id, latest


def _old_runs(instance: dg.DagsterInstance, before: datetime, most: int) -> list[Any]:
    return list(
        instance.get_run_records(
            filters=dg.RunsFilter(statuses=_FINISHED, updated_before=before),
            order_by="update_timestamp",
            ascending=True,
            limit=most,
        )
    )


def _materializations(instance: dg.DagsterInstance, run_id: str) -> list[dg.AssetMaterialization]:
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    return [entry.asset_materialization for entry in entries if entry.asset_materialization]


def _is_latest(instance: dg.DagsterInstance, found: dg.AssetMaterialization, run_id: str) -> bool:
    """Whether no later run has materialized the same partition of the same asset."""
    partitions = None if found.partition is None else [found.partition]
    asked = dg.AssetRecordsFilter(asset_key=found.asset_key, asset_partitions=partitions)
    newest = instance.fetch_materializations(asked, limit=1).records
    return bool(newest) and newest[0].run_id == run_id


def _without_run(found: dg.AssetMaterialization, run_id: str) -> dg.AssetMaterialization:
    """The materialization as it was, and which run it was of."""
    metadata: dict[str, Any] = {**found.metadata, "run_of_old": run_id}
    return dg.AssetMaterialization(
        asset_key=found.asset_key,
        description=found.description,
        metadata=metadata,
        partition=found.partition,
        tags={
            name: said
            for name, said in (found.tags or {}).items()
            # They point at events that go with their runs.
            if not name.startswith("dagster/input_event_pointer/")
        },
    )


def _delete_check_results(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> None:
    """Delete what checks found in some runs, except the newest result of each partition.

    Dagster itself keeps a row for each check and run, also when the run is deleted: a million rows
    in four months of refreshing the current hour.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return
    results = AssetCheckExecutionsTable.c
    # GROUP BY takes NULLs (checks without partitions) for equal. NOT EXISTS is a join by hash in
    # PostgreSQL, where NOT IN compares each row with all others once they outgrow its work_mem.
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
    with suppress(Exception):  # logs may have been taken away by hand, or never been written
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    shard = getattr(instance.event_log_storage, "path_for_shard", None)
    if shard is not None:
        # SQLite keeps a file a run, which Dagster empties and leaves.
        for suffix in ("", "-wal", "-shm"):
            Path(f"{shard(run_id)}{suffix}").unlink(missing_ok=True)

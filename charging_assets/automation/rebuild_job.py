"""The job `rebuild`: stale hours month by month, from the UI.

Belongs here: what Dagster runs and shows of a rebuild. Does not belong here: how it goes
(`rebuild`). It holds the writers' pool, so that loads wait for it; polls do not.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC
from typing import Any

import dagster as dg

from charging_assets import interrupts
from charging_assets.automation.rebuild import (
    FLATTENED,
    PUBLISHED,
    ROWS_A_WINDOW,
    Done,
    rebuild,
    work,
)
from charging_assets.modelling.assets import WRITER_POOL
from charging_assets.partitions import Hour, naive
from charging_assets.plurals import counted
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.storage import ledger
from charging_assets.storage.lake import Lake
from charging_assets.storage.warehouse import Warehouse

# Metadata of a run that failed: why, by hour.
FAILED_HOURS = "failed_hours"

# A step that is done, and how much of the whole then is.
Watcher = Callable[[Done, float], None]
_WATCHER: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(by: Watcher) -> Iterator[None]:
    """Hear of each step of a rebuild in this process; its run is told of when it is over."""
    token = _WATCHER.set(by)
    try:
        yield
    finally:
        _WATCHER.reset(token)


class RebuildConfig(dg.Config):
    """Which hours: `first` and `last` as YYYY-MM-DDTHH (UTC), all if empty; only stale ones unless
    `everything`. With `record`, every asset's hours are noted as materialized, which costs Dagster
    some ten milliseconds each. `rows_a_window` is how many polled rows are worked on together, each
    of which takes some 170 bytes of memory."""

    first: str = ""
    last: str = ""
    everything: bool = False
    record: bool = True
    rows_a_window: int = ROWS_A_WINDOW


@dg.op(pool=WRITER_POOL, name="rebuild_stale_hours")
def rebuild_stale_hours(
    context: dg.OpExecutionContext,
    config: RebuildConfig,
    lake: dg.ResourceParam[Lake],
    warehouse: dg.ResourceParam[Warehouse],
    # Not used, but held for as long as the run lasts, since it is asked for.
    event_files: dg.ResourceParam[Any],
) -> None:
    """Bring all stale hours from raw objects to published files, in windows of a month."""
    first, last = (Hour.parse(key) if key else None for key in (config.first, config.last))
    asked = work(lake, warehouse, first, last, everything=config.everything)
    total, done, watcher = asked.steps, 0, _WATCHER.get()

    def told(step: Done) -> None:
        nonlocal done
        done += len(step.hours)
        # An hour's flattening is not worth a line of its own.
        if len(step.hours) > 1:
            with interrupts.deferred():
                context.log.info(
                    f"{done / total:.0%}  {step.asset}: {step.hours[0]} to {step.hours[-1]}, "
                    f"{step.seconds:.1f} s"
                )
        if config.record and not step.failed:
            _record(context, step, _rows(warehouse, step))
        if watcher is not None:
            watcher(step, done / total)

    rebuilt = rebuild(
        lake,
        warehouse,
        asked,
        told,
        workers=os.cpu_count() or 0,
        rows_a_window=config.rows_a_window,
    )
    context.add_output_metadata(
        {"hours": len(asked.hours), "seconds": dg.MetadataValue.json(rebuilt.seconds)}
    )
    if rebuilt.failed:
        hour, error = next(iter(rebuilt.failed.items()))
        raise dg.Failure(
            f"{counted(len(rebuilt.failed), 'hour')} failed, still stale; the others are rebuilt; "
            f"{hour}: {error}",
            metadata={
                FAILED_HOURS: {found.key: told for found, told in rebuilt.failed.items()},
            },
        )


def _rows(warehouse: Warehouse, step: Done) -> dict[Hour, int]:
    """The rows of each hour, of an asset that the ledger knows."""
    if step.asset in (FLATTENED, PUBLISHED):
        return {}
    asked = {"start_at": naive(step.hours[0].start), "end_at": naive(step.hours[-1].end)}
    found = warehouse.query(ledger.ROWS_OF_SPAN, {"asset": step.asset, **asked}).to_pylist()
    return {Hour.of(row["slot_at"].replace(tzinfo=UTC)): row["row_count"] for row in found}


def _record(context: dg.OpExecutionContext, step: Done, rows: Mapping[Hour, int]) -> None:
    assets = [table.name for table in FLAT_TABLES] if step.asset == FLATTENED else [step.asset]
    for asset in assets:
        for hour in step.hours:
            event = dg.AssetMaterialization(
                asset_key=dg.AssetKey(asset),
                partition=hour.key,
                metadata={"dagster/partition_row_count": rows[hour]} if hour in rows else {},
            )
            with interrupts.deferred():
                context.log_event(event)


@dg.job(
    name="rebuild",
    description="Load stale hours month by month, as after a change of rules: far quicker than "
    "backfills. Resumes where it was cut off.",
)
def rebuild_job() -> Any:
    rebuild_stale_hours()

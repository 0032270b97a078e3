"""The job `rebuild`: stale hours month by month, from the UI.

Belongs here: what Dagster runs and shows of a rebuild. Does not belong here: how it goes
(`rebuild`). It holds the writers' pool, so that loads wait for it; polls do not.
"""

import os
from typing import Any

import dagster as dg

from charging_assets.automation.rebuild import FLATTENED, Done, rebuild, work
from charging_assets.modelling.assets import WRITER_POOL
from charging_assets.partitions import Hour
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.storage.lake import Lake
from charging_assets.storage.warehouse import Warehouse


class RebuildConfig(dg.Config):
    """Which hours: `first` and `last` as YYYY-MM-DDTHH (UTC), all if empty; only stale ones unless
    `everything`. With `record`, every asset's hours are noted as materialized, which costs Dagster
    some ten milliseconds each."""

    first: str = ""
    last: str = ""
    everything: bool = False
    record: bool = True


@dg.op(pool=WRITER_POOL, name="rebuild_stale_hours")
def rebuild_stale_hours(
    context: dg.OpExecutionContext,
    config: RebuildConfig,
    lake: dg.ResourceParam[Lake],
    warehouse: dg.ResourceParam[Warehouse],
) -> None:
    """Bring all stale hours from raw objects to published files, in windows of a month."""
    first, last = (Hour.parse(key) if key else None for key in (config.first, config.last))
    asked = work(lake, warehouse, first, last, everything=config.everything)
    total, done = asked.steps, 0

    def told(step: Done) -> None:
        nonlocal done
        done += len(step.hours)
        # An hour's flattening is not worth a line of its own.
        if len(step.hours) > 1:
            context.log.info(
                f"{done / total:.0%}  {step.asset}: {step.hours[0]} to {step.hours[-1]}, "
                f"{step.seconds:.1f} s"
            )
        if config.record and not step.failed:
            _record(context, step)

    rebuilt = rebuild(lake, warehouse, asked, told, workers=os.cpu_count() or 0)
    context.add_output_metadata(
        {"hours": len(asked.hours), "seconds": dg.MetadataValue.json(rebuilt.seconds)}
    )
    if rebuilt.failed:
        hour, error = next(iter(rebuilt.failed.items()))
        raise dg.Failure(
            f"{len(rebuilt.failed)} hours failed and stay stale, the others are rebuilt; "
            f"{hour}: {error}"
        )


def _record(context: dg.OpExecutionContext, step: Done) -> None:
    assets = [table.name for table in FLAT_TABLES] if step.asset == FLATTENED else [step.asset]
    for asset in assets:
        for hour in step.hours:
            context.log_event(
                dg.AssetMaterialization(asset_key=dg.AssetKey(asset), partition=hour.key)
            )


@dg.job(
    name="rebuild",
    description="Load stale hours month by month, as after a change of rules: far quicker than "
    "backfills. Resumes where it was cut off.",
)
def rebuild_job() -> Any:
    rebuild_stale_hours()

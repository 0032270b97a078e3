"""Maintenance: what keeps a system that runs for years as small and quick as it was.

Belongs here: the job `maintain`, how long what is kept. Does not belong here: how any of it is done
(`modelling.staging`, `history`, `notes`, `archive.compaction`, the warehouse's own `maintain`).
"""

from datetime import timedelta

import dagster as dg

from charging_assets import clock
from charging_assets.archive.compacted_days import archive_lake
from charging_assets.archive.compaction import compact
from charging_assets.archive.raw_archive import feeds_archived
from charging_assets.hours import Hour
from charging_assets.lake.store import Lake
from charging_assets.modelling.assets import WRITER_POOL
from charging_assets.modelling.staging import KEPT, prune_before, prune_rejects_before
from charging_assets.orchestration.notes import sync_notes
from charging_assets.orchestration.run_retention import prune_runs
from charging_assets.orchestration.switch import compacts
from charging_assets.warehouse.interface import Warehouse
from charging_assets.warehouse.transpile import prune_transpile_cache


class Warehousing(dg.Config):
    """How long rows are kept that can be made again from the archive."""

    staging_days: int = KEPT.days
    rejects_days: int = 400


class History(dg.Config):
    """How long Dagster's runs are kept: repeated ones, and all others."""

    repeated_days: int = 2
    runs_days: int = 90


class Archive(dg.Config):
    """Whether past days are compacted; None: as CHARGING_COMPACT and the deployment decide."""

    compact: bool | None = None


@dg.op(pool=WRITER_POOL, description="Notes of missed slots and accepted gaps, into `ops`.")
def copy_notes(lake: dg.ResourceParam[Lake], warehouse: dg.ResourceParam[Warehouse]) -> None:
    sync_notes(lake, warehouse)


@dg.op(
    pool=WRITER_POOL,
    ins={"after": dg.In(dg.Nothing)},
    description="Hours leave staging, rejects leave `ops` when their time is over.",
)
def prune(
    context: dg.OpExecutionContext, config: Warehousing, warehouse: dg.ResourceParam[Warehouse]
) -> None:
    if config.rejects_days < config.staging_days:
        raise dg.Failure(
            f"rejects_days is {config.rejects_days}, less than staging_days "
            f"({config.staging_days}); what is staged must balance with its rejects",
            allow_retries=False,
        )
    now = clock.utc_now()
    staged = Hour.of(now - timedelta(days=config.staging_days))
    kept = Hour.of(now - timedelta(days=config.rejects_days))
    pruned = prune_before(warehouse, staged)
    prune_rejects_before(warehouse, kept)
    context.log.info(f"{pruned} hours before {staged} left staging; rejects before {kept} went")
    context.add_output_metadata({"hours_pruned": pruned})


@dg.op(
    pool=WRITER_POOL,
    ins={"after": dg.In(dg.Nothing)},
    description="The engine's own upkeep: statistics, space of deleted rows.",
)
def tidy(context: dg.OpExecutionContext, warehouse: dg.ResourceParam[Warehouse]) -> None:
    for told in warehouse.maintain():
        context.log.info(told)
    context.log.info(f"{prune_transpile_cache()} rendered statements of no more use were deleted")


@dg.op(
    ins={"after": dg.In(dg.Nothing)},
    description="Old runs are deleted; which partitions are loaded is kept.",
)
def forget(context: dg.OpExecutionContext, config: History) -> None:
    done = prune_runs(
        context.instance,
        now=clock.utc_now(),
        superseded_after=timedelta(days=config.repeated_days),
        all_after=timedelta(days=config.runs_days),
    )
    context.add_output_metadata(
        {"runs_deleted": done.runs, "materializations_kept": done.kept_materializations}
    )


@dg.op(description="Days of the archive that are long over become one object each.")
def compact_archive(
    context: dg.OpExecutionContext, config: Archive, lake: dg.ResourceParam[Lake]
) -> None:
    if not (compacts() if config.compact is None else config.compact):
        context.log.info("the archive is left as it is; `charging-assets compact` compacts it")
        return
    archive, days, freed, failed = archive_lake(lake), 0, 0, dict[str, str]()
    for feed in feeds_archived(archive):
        try:
            done = compact(archive, feed)
        except Exception as error:  # a feed's damaged object must not hold the others' days
            failed[feed] = str(error)
            continue
        days += len(done)
        freed += sum(day.bytes_before - day.bytes_after for day in done)
    context.add_output_metadata({"days_compacted": days, "bytes_freed": freed})
    if failed:
        told = "; ".join(f"{feed}: {why}" for feed, why in failed.items())
        raise dg.Failure(f"not everything could be compacted: {told}", allow_retries=False)


@dg.job(
    description="Daily upkeep: staging and rejects are pruned, the warehouse tidied, old runs "
    "forgotten, notes copied, days of the archive compacted. Nothing goes that the archive could "
    "not give back.",
    tags={"dagster/max_runtime": "14400", "dagster/retry_strategy": "ALL_STEPS"},
)
def maintain() -> None:
    forget(tidy(prune(copy_notes())))
    compact_archive()  # by itself: it needs no warehouse, and its trouble is not the others'


def maintain_daily_schedule(status: dg.DefaultScheduleStatus) -> dg.ScheduleDefinition:
    """The schedule of the job `maintain`."""
    nightly = dg.schedule(
        name="maintain_daily",
        job=maintain,
        cron_schedule="17 3 * * *",
        execution_timezone="UTC",
        default_status=status,
        description="Upkeep, every night.",
    )
    return nightly(_request_maintenance)


def _request_maintenance(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    return dg.RunRequest(run_key=f"maintain#{context.scheduled_execution_time.isoformat()}")

"""The daily job `maintain`: retention of rows and runs, and compaction of the archive."""

from datetime import timedelta

import dagster as dg

from charging_assets import clock
from charging_assets.archive.compacted_days import archive_lake
from charging_assets.archive.compaction import compact
from charging_assets.archive.raw_archive import feeds_archived
from charging_assets.hours import Hour
from charging_assets.lake.store import Lake
from charging_assets.modelling.assets import WRITER_POOL
from charging_assets.modelling.staged_hours import (
    STAGING_RETENTION,
    prune_before,
    prune_rejects_before,
)
from charging_assets.orchestration.notes import sync_notes
from charging_assets.orchestration.run_retention import prune_runs
from charging_assets.settings import Settings
from charging_assets.warehouse.interface import Warehouse


class WarehouseRetention(dg.Config):
    """Retention of rows that can be loaded again from the archive."""

    staging_days: int = STAGING_RETENTION.days
    rejects_days: int = 400


class RunRetention(dg.Config):
    """Retention of Dagster's runs: of runs that later runs have superseded, and of all others."""

    repeated_days: int = 2
    runs_days: int = 90


class ArchiveCompaction(dg.Config):
    """Whether past days are compacted; None: the setting CHARGING_COMPACT."""

    compact: bool | None = None


@dg.op(pool=WRITER_POOL, description="Copy missed slots and accepted gaps into `ops`.")
def copy_notes(lake: dg.ResourceParam[Lake], warehouse: dg.ResourceParam[Warehouse]) -> None:
    sync_notes(lake, warehouse)


@dg.op(
    pool=WRITER_POOL,
    ins={"after": dg.In(dg.Nothing)},
    description="Delete old hours from staging and old rejects from `ops`.",
)
def prune(
    context: dg.OpExecutionContext,
    config: WarehouseRetention,
    warehouse: dg.ResourceParam[Warehouse],
) -> None:
    if config.rejects_days < config.staging_days:
        raise dg.Failure(
            f"rejects_days is {config.rejects_days}, less than staging_days "
            f"({config.staging_days}); keep rejects at least as long as staged rows, since checks "
            "compare the two",
            allow_retries=False,
        )
    now = clock.utc_now()
    first_staged = Hour.of(now - timedelta(days=config.staging_days))
    first_rejects = Hour.of(now - timedelta(days=config.rejects_days))
    hour_count = prune_before(warehouse, first_staged)
    prune_rejects_before(warehouse, first_rejects)
    context.log.info(
        f"deleted {hour_count} hours before {first_staged} from staging, and rejects before "
        f"{first_rejects}"
    )
    context.add_output_metadata({"hours_pruned": hour_count})


@dg.op(
    pool=WRITER_POOL,
    ins={"after": dg.In(dg.Nothing)},
    description="Update statistics and reclaim the space of deleted rows.",
)
def maintain_warehouse(
    context: dg.OpExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> None:
    for message in warehouse.maintain():
        context.log.info(message)


@dg.op(
    ins={"after": dg.In(dg.Nothing)},
    description="Delete old runs; the state of partitions is kept.",
)
def prune_run_history(context: dg.OpExecutionContext, config: RunRetention) -> None:
    result = prune_runs(
        context.instance,
        now=clock.utc_now(),
        superseded_after=timedelta(days=config.repeated_days),
        all_after=timedelta(days=config.runs_days),
    )
    context.add_output_metadata(
        {
            "runs_deleted": result.runs_deleted,
            "materializations_kept": result.materializations_kept,
        }
    )


@dg.op(description="Compact each past day of the archive into one object.")
def compact_archive(
    context: dg.OpExecutionContext, config: ArchiveCompaction, lake: dg.ResourceParam[Lake]
) -> None:
    if not (Settings.read().is_compaction_on if config.compact is None else config.compact):
        context.log.info("compaction is off; run `charging-assets compact` to compact the archive")
        return
    archive, day_count, bytes_freed, errors = archive_lake(lake), 0, 0, dict[str, str]()
    for feed in feeds_archived(archive):
        try:
            days = compact(archive, feed)
        except Exception as error:  # a damaged object of one feed must not block other feeds
            errors[feed] = str(error)
            continue
        day_count += len(days)
        bytes_freed += sum(day.bytes_before - day.bytes_after for day in days)
    context.add_output_metadata({"days_compacted": day_count, "bytes_freed": bytes_freed})
    if errors:
        details = "; ".join(f"{feed}: {error}" for feed, error in errors.items())
        raise dg.Failure(f"could not compact every feed: {details}", allow_retries=False)


@dg.job(
    description="Daily maintenance: copy notes, prune staging, rejects and old runs, maintain the "
    "warehouse, compact the archive. Deletes only rows that can be loaded again from the archive.",
    tags={"dagster/max_runtime": "14400", "dagster/retry_strategy": "ALL_STEPS"},
)
def maintain() -> None:
    prune_run_history(maintain_warehouse(prune(copy_notes())))
    compact_archive()  # independent: it needs no warehouse, and its errors must not block the rest


def maintain_daily_schedule(status: dg.DefaultScheduleStatus) -> dg.ScheduleDefinition:
    """The schedule of the job `maintain`."""
    schedule = dg.schedule(
        name="maintain_daily",
        job=maintain,
        cron_schedule="17 3 * * *",
        execution_timezone="UTC",
        default_status=status,
        description="Run the job `maintain` every night.",
    )
    return schedule(_request_maintenance)


def _request_maintenance(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    return dg.RunRequest(run_key=f"maintain#{context.scheduled_execution_time.isoformat()}")

"""The acquisition asset `raw_api_snapshots` and its IO manager."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import dagster as dg

from charging_assets.acquisition.poll import poll
from charging_assets.acquisition.poll_hour import (
    HourArchive,
    NoArchivedPolls,
    PollReport,
    current_hour,
    find_hour,
    poll_hour,
)
from charging_assets.alerts.heartbeat import beat
from charging_assets.archive.gaps import note_key
from charging_assets.archive.missed_slots import record_unpolled
from charging_assets.archive.raw_objects import HEADERS
from charging_assets.archive.spool import Spool
from charging_assets.hours import Hour, backfill_policy, format_spans, hourly_partitions
from charging_assets.io_managers import FAILED_HOURS
from charging_assets.lake.store import Lake
from charging_assets.text import count_noun


class RawConfig(dg.Config):
    """How to get an hour's raw answers. The default reads the archive and never calls an API."""

    live: bool = False
    planned_at: str | None = None
    # Seconds from planned_at in which feeds are polled at each of their slots.
    window_s: int = 0


_ENTRY_COLUMNS = dg.TableSchema(
    [
        dg.TableColumn("slug", "text", "place requested"),
        dg.TableColumn("part", "integer", "page of the place's answer, from 0"),
        dg.TableColumn("outcome", "text", "ok, or why there is no answer"),
        dg.TableColumn("requested_at", "timestamp", "when the request was sent, UTC"),
        dg.TableColumn("elapsed_ms", "integer", "duration of the request [milliseconds]"),
        dg.TableColumn("http_status", "integer", "HTTP status"),
        dg.TableColumn("detail", "text", "reason for the outcome"),
        dg.TableColumn("url", "text", "address requested, without secrets"),
        dg.TableColumn("headers", "json", f"of the response: {', '.join(HEADERS)}"),
        dg.TableColumn("received_sha256", "text", "hash of a file before decompression"),
        dg.TableColumn("sha256", "text", "hash of the body"),
        dg.TableColumn("length", "integer", "size of the body, which follows byte for byte"),
    ]
)


class RawArchiveIOManager(dg.IOManager):
    """Adds metadata of raw objects, which the asset has already written; lists them as inputs."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def handle_output(self, context: dg.OutputContext, obj: dict[str, HourArchive]) -> None:
        for key, archive in obj.items():
            context.step_context.add_asset_metadata(
                _metadata(self._lake, archive), context.asset_key, key
            )

    def load_input(self, context: dg.InputContext) -> dict[str, HourArchive]:
        return {key: find_hour(self._lake, Hour.parse(key)) for key in context.asset_partition_keys}


@dg.asset(
    partitions_def=hourly_partitions(),
    backfill_policy=backfill_policy(),
    io_manager_key="raw_io_manager",
    group_name="acquisition",
    kinds={"python", "json"},
    tags={"layer": "raw"},
    code_version="1",
    metadata={"dagster/column_schema": _ENTRY_COLUMNS},
)
def raw_api_snapshots(
    context: dg.AssetExecutionContext,
    config: RawConfig,
    lake: dg.ResourceParam[Lake],
    feeds: dg.ResourceParam[Any],
    spool: dg.ResourceParam[Any],
) -> dict[str, HourArchive]:
    """What the feeds answered in the hour, byte for byte; written once, never changed.

    Materializing an hour lists its archived polls. Only the `poll` job, for the current hour,
    calls the APIs; a past hour is never filled with today's answers.
    """
    hours = [Hour.parse(key) for key in context.partition_keys]
    if config.live:
        planned = datetime.fromisoformat(config.planned_at) if config.planned_at else None
        window = timedelta(seconds=config.window_s)
        if planned is not None and hours[0] < current_hour():
            reason = f"its run began after {hours[0]} was over"
            record_unpolled(lake, feeds, planned, reason, window)
        for hour in hours:
            _refuse_other_hours(hour)
        report = poll_hour(
            lake, feeds, hours[0], poller=partial(poll, lake=lake), planned_at=planned,
            window=window, spool=spool,
        )  # fmt: skip
        _report(context, report)
        if report.spooled:
            raise dg.Failure(_spool_message(report, spool), allow_retries=False)
        if report.failed_feeds and not (report.written or report.already_polled):
            raise dg.Failure(f"no feed could be polled: {report.failed_feeds}")
        if report.written and not report.failed_feeds and (problem := beat()):
            context.log.warning(f"the heartbeat call failed: {problem}")
    archives, missing = _find_hours(lake, hours)
    if missing:
        # A returned output would mark the missing hours as materialized too.
        for hour, archive in archives.items():
            context.log_event(
                dg.AssetMaterialization(
                    context.asset_key, partition=hour.key, metadata=_metadata(lake, archive)
                )
            )
        raise dg.Failure(
            _report_missing(archives, missing),
            metadata={FAILED_HOURS: {hour.key: str(error) for hour, error in missing.items()}},
            allow_retries=False,
        )
    return {hour.key: archive for hour, archive in archives.items()}


def _find_hours(
    lake: Lake, hours: Sequence[Hour]
) -> tuple[dict[Hour, HourArchive], dict[Hour, NoArchivedPolls]]:
    """The hours' archives, and the hours that have none."""
    archives, missing = {}, {}
    for hour in hours:
        try:
            archives[hour] = find_hour(lake, hour)
        except NoArchivedPolls as error:
            missing[hour] = error
    return archives, missing


def _report_missing(
    archives: Mapping[Hour, HourArchive], missing: Mapping[Hour, NoArchivedPolls]
) -> str:
    """Which hours are missing and the remedy; in a range also which hours can be materialized."""
    (first, error), *others = missing.items()
    if not archives and not others:
        return str(error)
    # Dagster skips what follows a failed step: their polls are recorded, and nothing is loaded.
    polled = (
        f"; polls are archived for {format_spans(archives)}: materialize these, of which this "
        "run loaded none (the sensor `reconcile_hours` does so within minutes where it is on; or "
        f"`charging-assets load --from {min(archives)} --to {max(archives)}`)"
        if archives
        else ""
    )
    hours = count_noun(len(missing), "hour")
    return f"{hours} without archived polls: {format_spans(missing)}{polled}. {first}: {error}"


def _metadata(lake: Lake, archive: HourArchive) -> dict[str, Any]:
    return {
        "path": dg.MetadataValue.path(_archive_path(lake, archive)),
        "dagster/row_count": len(archive.keys),
        "archive_digest": archive.digest,
    }


def _archive_path(lake: Lake, archive: HourArchive) -> str:
    """The folder of the hour's first raw object; for an accepted gap, where its note is."""
    return lake.uri((archive.keys or (note_key(archive.hour),))[0].rsplit("/", 1)[0])


def _refuse_other_hours(hour: Hour) -> None:
    now = current_hour()
    if hour > now:
        raise dg.Failure(f"{hour} has not begun; poll {now}", allow_retries=False)
    if hour < now:
        raise dg.Failure(
            f"{hour} is over, and the APIs only know the present: its polls would be today's "
            f"answers. Poll {now} instead; to use archived polls, materialize {hour} without "
            "`live`",
            allow_retries=False,
        )


def _report(context: dg.AssetExecutionContext, report: PollReport) -> None:
    for feed, places in report.degraded.items():
        context.log.warning(f"{feed}: {count_noun(len(places), 'place')} failed: {places}")
    for feed, slot in report.late.items():
        context.log.warning(
            f"{feed}: the planned slot was missed; the poll is archived under {slot}"
        )
    for feed, reason in report.failed_feeds.items():
        context.log.error(f"{feed}: no poll: {reason}")
    for reason in report.failed_notes:
        context.log.warning(f"recording a missed slot failed, the next poll records it: {reason}")
    if report.already_polled:
        context.log.info(f"already polled in this slot, not polled again: {report.already_polled}")
    if report.drained.archived:
        context.log.info(f"archived from the spool: {report.drained.archived}")
    if report.drained.failed:
        context.log.warning(
            f"{report.drained.waiting} polls are still in the spool: {report.drained.summary()}"
        )
    context.add_output_metadata(
        {
            "polls_written": len(report.written),
            "outcome_by_feed": dg.MetadataValue.json(report.outcomes),
            "degraded_places": dg.MetadataValue.json(report.degraded),
            "failed_feeds": dg.MetadataValue.json(report.failed_feeds),
            "drained_from_spool": len(report.drained.archived),
            "waiting_in_spool": report.drained.waiting,
        }
    )


def _spool_message(report: PollReport, spool: Spool) -> str:
    return (
        f"writing polls of {', '.join(report.spooled)} to the lake failed: {report.spooled}. They "
        f"are in the spool, {spool.folder}, with {len(spool.waiting())} polls in all; the next "
        "poll archives them once the lake works again, or run `charging-assets drain`"
    )

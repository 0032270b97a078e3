"""`load`: loads archived hours into the warehouse with Dagster, and prints the progress."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Any

from charging_assets.cli import show
from charging_assets.cli.arguments import add_json, hour
from charging_assets.cli.errors import FAILED, UsageError
from charging_assets.hours import Hour, hours_between, to_naive_utc
from charging_assets.text import count_noun

if TYPE_CHECKING:
    from charging_assets.deployments import Storage
    from charging_assets.orchestration.load_runs import HourResult
    from charging_assets.orchestration.staleness import StaleHour
    from charging_assets.warehouse.interface import Warehouse

NAME = "load"
HELP = "Load archived hours that the warehouse does not have, or the hours of a range."
_REQUESTED = "requested"
# Loading an older hour can make later hours stale: once each for stations, EVSEs and connectors.
_MAX_ROUNDS = 4
# Assets that report progress: flat tables, staging, derived tables, published files.
_STEPS_PER_HOUR = 15


@dataclass
class LoadReport:
    """The results of a load.

    Attributes:
        loaded: rows by hour.
        failed: errors by hour.
        failed_feeds: errors by hour and feed; the other feeds of the hour are loaded.
        unchecked: loaded hours with checks that could not be evaluated, and the reasons.
        seconds: duration of the load.
        hours_by_asset: number of hours that each asset processed.
        seconds_by_asset: duration by asset.
    """

    loaded: dict[Hour, int] = field(default_factory=dict)
    failed: dict[Hour, str] = field(default_factory=dict)
    failed_feeds: dict[Hour, dict[str, str]] = field(default_factory=dict)
    unchecked: dict[Hour, str] = field(default_factory=dict)
    seconds: float = 0.0
    hours_by_asset: Counter[str] = field(default_factory=Counter)
    seconds_by_asset: dict[str, float] = field(default_factory=dict)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="first", type=hour, metavar="HOUR", help="first UTC hour")
    parser.add_argument("--to", dest="last", type=hour, metavar="HOUR", help="last UTC hour")
    parser.add_argument("-v", "--verbose", action="store_true", help="show Dagster's own log")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from charging_assets import deployments
    from charging_assets.archive.raw_archive import hours_archived

    storage = deployments.storage()
    selected, missing = _select(storage, arguments.first, arguments.last)
    report = load(storage, selected, verbose=arguments.verbose, quiet=arguments.json)
    nothing_archived = bool(missing) and not selected
    if arguments.json:
        show.print_json(_as_json(report, missing))
    else:
        is_archive_empty = not selected and not hours_archived(storage.lake)
        _print_report(report, missing, is_archive_empty=is_archive_empty)
    is_incomplete = report.failed or report.failed_feeds or report.unchecked or nothing_archived
    return FAILED if is_incomplete else 0


def load(
    storage: Storage,
    stale: Sequence[StaleHour],
    *,
    report: LoadReport | None = None,
    label: str = "loading",
    verbose: bool = False,
    quiet: bool = False,
    **options: Any,
) -> LoadReport:
    """Load hours and print the progress. Imports Dagster only if there are hours.

    Args:
        report: the report to extend; a new one by default.
        options: further arguments of `load_hours`.
    """
    report = LoadReport() if report is None else report
    if not stale:
        return report
    from dagster import DagsterInstance

    from charging_assets.orchestration import dagster_home
    from charging_assets.orchestration.load_runs import load_hours

    dagster_home.prepare()
    from charging_assets.definitions import build

    began = time.monotonic()
    log_level = "DEBUG" if verbose else "CRITICAL"
    with DagsterInstance.get() as instance:
        for _ in range(_MAX_ROUNDS):
            reasons = {stale_hour.hour: stale_hour.reason for stale_hour in stale}
            with show.progress(label, len(stale), quiet=quiet) as step:
                reporter = _ProgressReporter(storage, reasons, report, step)
                definitions = build(storage, progress=reporter.report_asset)
                load_hours(
                    definitions,
                    instance,
                    reasons,
                    reporter.report_run,
                    log_level=log_level,
                    **options,
                )
            stale = _contested_hours(storage, report)
            if not stale:
                break
            options["assets"] = None  # these hours have to be staged again
    report.seconds += time.monotonic() - began
    return report


def _contested_hours(storage: Storage, report: LoadReport) -> list[StaleHour]:
    """Hours that this load made stale, because an older hour has the first id of a key."""
    from charging_assets.orchestration.staleness import CONTESTED, stale_hours

    if not report.loaded:
        return []
    if not storage.warehouse.query("SELECT slot_at FROM ops.key_conflict LIMIT 1").num_rows:
        return []
    return [
        stale_hour
        for stale_hour in stale_hours(storage.lake, storage.warehouse)
        if stale_hour.reason == CONTESTED and stale_hour.hour not in report.failed
    ]


@dataclass
class _ProgressReporter:
    """Prints the progress of a load.

    `steps` counts the hours that assets of the current run processed, `ahead` the hours of the
    current run that the progress bar already counted, and `done` the hours of finished runs.
    """

    storage: Storage
    reasons: Mapping[Hour, str]
    report: LoadReport
    step: show.Step
    steps: int = 0
    ahead: int = 0
    done: int = 0

    def report_asset(self, asset: str, hours: Sequence[Hour], seconds: float) -> None:
        """Report that an asset of the current run processed hours."""
        durations = self.report.seconds_by_asset
        durations[asset] = durations.get(asset, 0.0) + seconds
        self.report.hours_by_asset[asset] += len(hours)
        if len(hours) == 1 and asset != "flat_tables":
            return
        self.steps += len(hours)
        ahead = min(max(self.ahead, self.steps // _STEPS_PER_HOUR), len(self.reasons) - self.done)
        count, self.ahead = ahead - self.ahead, ahead
        self.step(f"{show.format_span(hours)}  {asset}  {seconds:.1f} s", count=count)

    def report_run(self, outcomes: Sequence[HourResult]) -> None:
        """Report the results of a run."""
        ahead, self.ahead, self.steps = self.ahead, 0, 0
        self.done += len(outcomes)
        loaded = [outcome.hour for outcome in outcomes if outcome.error is None]
        if loaded:
            rows = _rows(self.storage.warehouse, loaded)
            self.report.loaded.update(rows)
            reasons = format_reasons(self.reasons[hour] for hour in loaded)
            summary = (
                f"loaded {count_noun(len(loaded), 'hour')}, {sum(rows.values()):,} rows ({reasons})"
            )
            self.step(f"{show.format_span(loaded)}  {summary}", count=len(loaded) - ahead)
        unchecked = {o.hour: o.unchecked for o in outcomes if o.unchecked is not None}
        if unchecked:
            self.report.unchecked.update(unchecked)
            reason = next(iter(unchecked.values()))
            self.step(
                f"{show.format_span(list(unchecked))}  loaded, not checked: {reason}", count=0
            )
        for outcome in outcomes:
            for feed, reason in outcome.failed_feeds.items():
                self.report.failed_feeds.setdefault(outcome.hour, {})[feed] = reason
                self.step(f"{outcome.hour}  {feed} failed: {reason}", count=0, failed=True)
            if outcome.error is not None:
                self.report.failed[outcome.hour] = outcome.error
                self.step(f"{outcome.hour}  failed: {outcome.error}", failed=True)
        if len(outcomes) > 1:
            self._prune()

    def _prune(self) -> None:
        """Delete old hours from staging, which a long history would otherwise fill."""
        from charging_assets.modelling.staged_hours import STAGING_RETENTION, prune_before
        from charging_assets.warehouse.interface import WarehouseError
        from charging_assets.warehouse.plan import LoadError

        try:
            prune_before(self.storage.warehouse, Hour.of(max(self.reasons).end - STAGING_RETENTION))
        except (LoadError, WarehouseError) as error:
            self.step(
                f"could not delete hours older than {STAGING_RETENTION.days} days from "
                f"staging: {error}",
                count=0,
            )


def format_reasons(reasons: Iterable[str]) -> str:
    """The reasons for loading hours as text; several reasons have their number of hours."""
    counts = Counter(reasons).most_common()
    if len(counts) == 1:
        return f"reason: {counts[0][0]}"
    return "reasons: " + "; ".join(f"{reason}, {count_noun(n, 'hour')}" for reason, n in counts)


def _select(
    storage: Storage, first: Hour | None, last: Hour | None
) -> tuple[list[StaleHour], list[Hour]]:
    """The hours to load, and the hours of the range without archived polls."""
    from charging_assets.archive.raw_archive import hours_archived
    from charging_assets.orchestration.staleness import StaleHour, stale_hours

    if first is None and last is None:
        return stale_hours(storage.lake, storage.warehouse), []
    archived = list(hours_archived(storage.lake))
    first = first or min(archived, default=last)
    last = last or max(archived, default=first)
    assert first is not None
    assert last is not None
    if first > last:
        raise UsageError(
            f"the range ends before it begins: {first} to {last}; swap --from and --to"
        )
    requested = [each for each in archived if first <= each <= last]
    missing = sorted(set(hours_between(first, last)) - set(requested))
    return [StaleHour(each, _REQUESTED) for each in requested], missing


def _rows(warehouse: Warehouse, hours: Sequence[Hour]) -> dict[Hour, int]:
    """The number of rows of each hour in the ledger, over all tables."""
    from charging_assets.warehouse import ledger

    parameters = {"start_at": to_naive_utc(hours[0].start), "end_at": to_naive_utc(hours[-1].end)}
    counts = {
        Hour.of(row["slot_at"].replace(tzinfo=UTC)): int(row["row_count"])
        for row in warehouse.query(ledger.ALL_ROWS_OF_SPAN, parameters).to_pylist()
    }
    return {hour: counts.get(hour, 0) for hour in hours}


def _as_json(report: LoadReport, missing: Sequence[Hour]) -> dict[str, object]:
    return {
        "loaded": [{"hour": h.key, "rows": rows} for h, rows in report.loaded.items()],
        "failed": [{"hour": h.key, "error": error} for h, error in report.failed.items()],
        "failed_feeds": [
            {"hour": h.key, "feed": feed, "error": error}
            for h, errors in report.failed_feeds.items()
            for feed, error in errors.items()
        ],
        "unchecked": [{"hour": h.key, "error": error} for h, error in report.unchecked.items()],
        "missing": [h.key for h in missing],
        "seconds": round(report.seconds, 3),
    }


def _print_report(report: LoadReport, missing: Sequence[Hour], *, is_archive_empty: bool) -> None:
    if missing:
        print(
            f"no archived polls, not loaded: {show.format_hours(missing)}\n"
            "The APIs only publish the present. If you have files of these hours, import them with "
            "`charging-assets import`."
        )
    if report.loaded:
        hours, rows = len(report.loaded), sum(report.loaded.values())
        print(f"loaded {count_noun(hours, 'hour')}, {rows:,} rows, in {report.seconds:.1f} s")
    if report.failed_feeds:
        _print_failed_feeds(report.failed_feeds)
    if report.unchecked:
        print(
            f"loaded, not checked: {count_noun(len(report.unchecked), 'hour')}, "
            f"{show.format_hours(list(report.unchecked))}; "
            f"{next(iter(report.unchecked.values()))}. Fix the cause and run the job "
            "`check_hours`; the hours need not be loaded again."
        )
    if report.failed:
        print(
            f"failed: {count_noun(len(report.failed), 'hour')}, "
            f"{show.format_hours(report.failed)}; "
            "all other hours are loaded. -v shows Dagster's log."
        )
    if not report.loaded and not report.failed and not missing:
        print(
            "nothing to load: the archive is empty; `charging-assets live` polls, `charging-assets "
            "import` imports files, `charging-assets simulate` generates sample data"
            if is_archive_empty
            else "nothing to load: every archived hour is loaded"
        )


def _print_failed_feeds(failed_feeds: Mapping[Hour, Mapping[str, str]]) -> None:
    """Print the failed feeds and their hours; the progress has printed the errors."""
    hours: dict[str, list[Hour]] = {}
    for each, errors in sorted(failed_feeds.items()):
        for feed in errors:
            hours.setdefault(feed, []).append(each)
    for feed, feed_hours in sorted(hours.items()):
        print(
            f"failed: feed {feed} in {count_noun(len(feed_hours), 'hour')}, "
            f"{show.format_hours(feed_hours)}; its rows of earlier loads are kept, and the other "
            "feeds of these hours are loaded."
        )

"""`load`: hours of the archive into the warehouse, through Dagster.

Belongs here: which hours are meant, and showing how they come along. Does not belong here: what
is pending (`orchestration.staleness`) or how an hour is loaded (`orchestration.load_runs`).
"""

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
from charging_assets.warehouse import ledger

if TYPE_CHECKING:
    from charging_assets.deployments import Storage
    from charging_assets.orchestration.load_runs import HourResult
    from charging_assets.orchestration.staleness import StaleHour
    from charging_assets.warehouse.interface import Warehouse

NAME = "load"
HELP = "Load the hours that the archive has and the warehouse lacks, or those of a range."
_REQUESTED = "requested"
# A station, then an EVSE, then a connector may turn out to have another's key.
_MAX_PASSES = 4
# Assets that report their hours: flat tables, staging, what is derived, published files.
_STEPS_AN_HOUR = 15


@dataclass
class LoadReport:
    """What came of a load: rows by hour, errors by hour, how long it took.

    `failed_feeds` are feeds that loaded hours lack, by hour, and why. `unchecked` are loaded hours
    some of whose checks could not be evaluated, and why. By asset,
    `hours_by_asset` counts the hours that runs were done with, in `seconds_by_asset`.
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
    chosen, missing = _chosen(storage, arguments.first, arguments.last)
    report = load(storage, chosen, verbose=arguments.verbose, quiet=arguments.json)
    nothing_there = bool(missing) and not chosen
    if arguments.json:
        show.print_json(_as_json(report, missing))
    else:
        is_archive_empty = not chosen and not hours_archived(storage.lake)
        _tell(report, missing, is_archive_empty=is_archive_empty)
    is_incomplete = report.failed or report.failed_feeds or report.unchecked or nothing_there
    return FAILED if is_incomplete else 0


def load(
    storage: Storage,
    chosen: Sequence[StaleHour],
    *,
    report: LoadReport | None = None,
    label: str = "loading",
    verbose: bool = False,
    quiet: bool = False,
    **how: Any,
) -> LoadReport:
    """Load hours with progress; `how` as `load_hours` takes it. Dagster is imported for some.

    A `report` of hours that were loaded before is added to.
    """
    report = LoadReport() if report is None else report
    if not chosen:
        return report
    from dagster import DagsterInstance

    from charging_assets.orchestration import dagster_home
    from charging_assets.orchestration.load_runs import load_hours

    dagster_home.prepare()
    from charging_assets.definitions import build

    began = time.monotonic()
    log_level = "DEBUG" if verbose else "CRITICAL"
    with DagsterInstance.get() as instance:
        for _ in range(_MAX_PASSES):
            reasons = {found.hour: found.reason for found in chosen}
            with show.progress(label, len(chosen), quiet=quiet) as step:
                told = _ProgressReporter(storage, reasons, report, step)
                definitions = build(storage, progress=told.working)
                load_hours(definitions, instance, reasons, told.loaded, log_level=log_level, **how)
            chosen = _made_stale(storage, report)
            if not chosen:
                break
            how["assets"] = None  # these hours have to be staged again
    report.seconds += time.monotonic() - began
    return report


def _made_stale(storage: Storage, report: LoadReport) -> list[StaleHour]:
    """Hours that this load made stale: an older one showed which id a key of theirs stands for."""
    from charging_assets.orchestration.staleness import CONTESTED, stale_hours

    if not report.loaded:
        return []
    if not storage.warehouse.query("SELECT slot_at FROM ops.key_conflict LIMIT 1").num_rows:
        return []
    return [
        found
        for found in stale_hours(storage.lake, storage.warehouse)
        if found.reason == CONTESTED and found.hour not in report.failed
    ]


@dataclass
class _ProgressReporter:
    """What is printed while hours load.

    `steps` counts the hours that assets are done with in the run under way, `ahead` the hours that
    this comes to, which the bar has already counted, `done` those whose runs have ended.
    """

    storage: Storage
    reasons: Mapping[Hour, str]
    report: LoadReport
    step: show.Step
    steps: int = 0
    ahead: int = 0
    done: int = 0

    def working(self, asset: str, hours: Sequence[Hour], seconds: float) -> None:
        """An asset of the run under way is done with hours."""
        taken = self.report.seconds_by_asset
        taken[asset] = taken.get(asset, 0.0) + seconds
        self.report.hours_by_asset[asset] += len(hours)
        if len(hours) == 1 and asset != "flat_tables":
            return
        self.steps += len(hours)
        ahead = min(max(self.ahead, self.steps // _STEPS_AN_HOUR), len(self.reasons) - self.done)
        count, self.ahead = ahead - self.ahead, ahead
        self.step(f"{show.format_span(hours)}  {asset}  {seconds:.1f} s", count=count)

    def loaded(self, outcomes: Sequence[HourResult]) -> None:
        """What one run has come to."""
        ahead, self.ahead, self.steps = self.ahead, 0, 0
        self.done += len(outcomes)
        good = [outcome.hour for outcome in outcomes if outcome.error is None]
        if good:
            rows = _rows(self.storage.warehouse, good)
            self.report.loaded.update(rows)
            reasons = format_reasons(self.reasons[hour] for hour in good)
            told = (
                f"loaded {count_noun(len(good), 'hour')}, {sum(rows.values()):,} rows ({reasons})"
            )
            self.step(f"{show.format_span(good)}  {told}", count=len(good) - ahead)
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
        """Take out of staging what is too old to stay: a long history would fill it."""
        from charging_assets.modelling.staging import KEPT, prune_before
        from charging_assets.warehouse.interface import WarehouseError
        from charging_assets.warehouse.plan import LoadError

        try:
            prune_before(self.storage.warehouse, Hour.of(max(self.reasons).end - KEPT))
        except (LoadError, WarehouseError) as error:
            self.step(f"staging keeps hours of more than {KEPT.days} days: {error}", count=0)


def format_reasons(reasons: Iterable[str]) -> str:
    """Why hours were loaded: their one reason, or each with its number of hours."""
    counts = Counter(reasons).most_common()
    if len(counts) == 1:
        return f"reason: {counts[0][0]}"
    return "reasons: " + "; ".join(f"{reason}, {count_noun(n, 'hour')}" for reason, n in counts)


def _chosen(
    storage: Storage, first: Hour | None, last: Hour | None
) -> tuple[list[StaleHour], list[Hour]]:
    """The hours to load, and those of the range that have no archived polls."""
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
        raise UsageError(f"the range ends before it begins: {first} to {last}")
    held = [found for found in archived if first <= found <= last]
    missing = sorted(set(hours_between(first, last)) - set(held))
    return [StaleHour(found, _REQUESTED) for found in held], missing


def _rows(warehouse: Warehouse, hours: Sequence[Hour]) -> dict[Hour, int]:
    """The rows that the ledger counts for each hour, all tables together."""
    asked = {"start_at": to_naive_utc(hours[0].start), "end_at": to_naive_utc(hours[-1].end)}
    held = warehouse.query(ledger.ALL_ROWS_OF_SPAN, asked).to_pylist()
    rows = {Hour.of(row["slot_at"].replace(tzinfo=UTC)): int(row["row_count"]) for row in held}
    return {hour: rows.get(hour, 0) for hour in hours}


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


def _tell(report: LoadReport, missing: Sequence[Hour], *, is_archive_empty: bool) -> None:
    if missing:
        print(
            f"no archived polls, not loaded: {show.format_hours(missing)}\n"
            "A past hour is never filled with today's answers; if you have its answers, "
            "`charging-assets import` them."
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
            f"{next(iter(report.unchecked.values()))}. Once that is fixed, the job `check_hours` "
            "checks them again: their rows need not be loaded again."
        )
    if report.failed:
        print(
            f"failed: {count_noun(len(report.failed), 'hour')}, "
            f"{show.format_hours(report.failed)}; "
            "all other hours stay loaded. -v shows Dagster's log."
        )
    if not report.loaded and not report.failed and not missing:
        print(
            "nothing to load: the archive is empty; `charging-assets live` polls, `charging-assets "
            "import` takes files, `charging-assets simulate` makes some up"
            if is_archive_empty
            else "nothing to load: every archived hour is loaded"
        )


def _print_failed_feeds(failed_feeds: Mapping[Hour, Mapping[str, str]]) -> None:
    """Which feeds could not be loaded, in which hours; the reasons were printed while loading."""
    hours: dict[str, list[Hour]] = {}
    for each, errors in sorted(failed_feeds.items()):
        for feed in errors:
            hours.setdefault(feed, []).append(each)
    for feed, of_feed in sorted(hours.items()):
        print(
            f"failed: feed {feed} in {count_noun(len(of_feed), 'hour')}, "
            f"{show.format_hours(of_feed)}; its rows of earlier loads are kept, and the other "
            "feeds of these hours are loaded."
        )

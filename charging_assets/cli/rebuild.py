"""`rebuild`: reloads the stale assets of each hour, for example after a rule change."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from typing import TYPE_CHECKING

from charging_assets.cli import show
from charging_assets.cli.arguments import add_json, hour
from charging_assets.cli.errors import FAILED, UsageError
from charging_assets.text import count_noun

if TYPE_CHECKING:
    from charging_assets.cli.load import LoadReport
    from charging_assets.deployments import Storage
    from charging_assets.hours import Hour
    from charging_assets.orchestration.staleness import StaleHour

NAME = "rebuild"
HELP = "Reload the stale assets of each hour, in runs of a week without checks."
_PUBLISHED = "published_tables"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="first", type=hour, metavar="HOUR", help="first UTC hour")
    parser.add_argument("--to", dest="last", type=hour, metavar="HOUR", help="last UTC hour")
    parser.add_argument(
        "--all", dest="everything", action="store_true", help="also hours that are not stale"
    )
    parser.add_argument(
        "--list", dest="only_list", action="store_true", help="show what is stale, change nothing"
    )
    parser.add_argument(
        "--workers",
        type=int,
        help="worker processes that flatten (default: one per CPU; 0: in this process)",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from charging_assets import deployments
    from charging_assets.cli.load import LoadReport, load

    if arguments.first and arguments.last and arguments.first > arguments.last:
        raise UsageError(
            f"the range ends before it begins: {arguments.first} to {arguments.last}; "
            "swap --from and --to"
        )
    storage = deployments.storage()
    stale = _stale_by_asset(storage, arguments)
    if arguments.only_list:
        _print_stale(stale, as_json=arguments.json)
        return 0
    report = LoadReport()
    for assets, hours in _load_steps(stale):
        load(
            storage,
            hours,
            report=report,
            label="rebuilding",
            quiet=arguments.json,
            assets=assets,
            checks=False,
            workers=arguments.workers,
        )
    _print_report(report, as_json=arguments.json)
    return FAILED if report.failed or report.failed_feeds else 0


def _stale_by_asset(storage: Storage, arguments: argparse.Namespace) -> dict[str, Set[Hour]]:
    """The stale hours of the range by asset, in load order; all hours with `--all`."""
    from charging_assets.orchestration.staleness import staleness

    state = staleness(storage.lake, storage.warehouse)
    first, last = arguments.first, arguments.last
    in_range = {
        each
        for each in state.archived
        if (not first or each >= first) and (not last or each <= last)
    }
    return {
        asset: in_range if arguments.everything else in_range.intersection(hours)
        for asset, hours in state.stale.items()
    }


def _load_steps(
    stale: Mapping[str, Set[Hour]],
) -> Iterator[tuple[list[str] | None, list[StaleHour]]]:
    """Hours to stage again, with all assets; then the other hours, with their stale assets."""
    from charging_assets.modelling.staging import ASSET as STAGED
    from charging_assets.orchestration.staleness import StaleHour

    to_stage = stale[STAGED]
    yield None, [StaleHour(each, f"{STAGED} is stale") for each in sorted(to_stage)]
    reasons: dict[Hour, str] = {}
    for asset, hours in stale.items():
        for each in hours - to_stage:
            reasons.setdefault(each, f"{asset} is stale")
    assets = [asset for asset, hours in stale.items() if hours - to_stage]
    yield [*assets, _PUBLISHED], [StaleHour(each, reasons[each]) for each in sorted(reasons)]


def _print_stale(stale: Mapping[str, Set[Hour]], *, as_json: bool) -> None:
    """Print the number of stale hours by asset and month."""
    months = {
        asset: Counter(f"{each.start:%Y-%m}" for each in hours)
        for asset, hours in stale.items()
        if hours
    }
    if as_json:
        show.print_json(months)
    elif not months:
        print("nothing is stale: every archived hour is loaded with the current rules")
    else:
        for asset, counts in months.items():
            by_month = ", ".join(f"{month} ({count})" for month, count in sorted(counts.items()))
            print(f"{asset}: {by_month}")


def _print_report(report: LoadReport, *, as_json: bool) -> None:
    if as_json:
        seconds = {asset: round(duration, 3) for asset, duration in report.seconds_by_asset.items()}
        show.print_json(
            {
                "hours": dict(report.hours_by_asset),
                "seconds": seconds,
                "failed": {failed.key: error for failed, error in report.failed.items()},
                "failed_feeds": {each.key: errors for each, errors in report.failed_feeds.items()},
                "total_seconds": round(report.seconds, 3),
            }
        )
        return
    if not report.loaded and not report.failed:
        print("nothing to rebuild: every archived hour is loaded with the current rules")
        return
    print(f"rebuilt {count_noun(len(report.loaded), 'hour')} in {report.seconds:.1f} s")
    for each, errors in list(report.failed_feeds.items())[:5]:
        for feed, error in errors.items():
            print(f"{each}: feed {feed} failed: {error}")
    for failed, error in list(report.failed.items())[:5]:
        print(f"{failed} failed: {error}")
    if report.failed:
        print(
            f"failed: {count_noun(len(report.failed), 'hour')}, which stay stale: "
            f"{show.format_hours(report.failed)}"
        )

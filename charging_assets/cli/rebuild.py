"""`rebuild`: what is stale of each hour, as after a change of rules.

Belongs here: which hours and assets are meant. Does not belong here: what is stale
(`orchestration.staleness`) or how hours are loaded (`cli.load`).
"""

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
HELP = "Load what is stale of each hour, in runs of a week without checks, as after an upgrade."
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
        raise UsageError(f"the range ends before it begins: {arguments.first} to {arguments.last}")
    storage = deployments.storage()
    stale = _stale(storage, arguments)
    if arguments.only_list:
        _list(stale, as_json=arguments.json)
        return 0
    report = LoadReport()
    for assets, pending in _parts(stale):
        load(
            storage,
            pending,
            report=report,
            label="rebuilding",
            quiet=arguments.json,
            assets=assets,
            checks=False,
            workers=arguments.workers,
        )
    _tell(report, as_json=arguments.json)
    return FAILED if report.failed or report.failed_feeds else 0


def _stale(storage: Storage, arguments: argparse.Namespace) -> dict[str, Set[Hour]]:
    """The stale hours of the range by asset, in the order of loading; all of them with `--all`."""
    from charging_assets.orchestration.staleness import staleness

    state = staleness(storage.lake, storage.warehouse)
    first, last = arguments.first, arguments.last
    wanted = {
        found
        for found in state.archived
        if (not first or found >= first) and (not last or found <= last)
    }
    return {
        asset: wanted if arguments.everything else wanted.intersection(hours)
        for asset, hours in state.stale.items()
    }


def _parts(stale: Mapping[str, Set[Hour]]) -> Iterator[tuple[list[str] | None, list[StaleHour]]]:
    """Hours that have to be staged again, with all assets; the others with those that are stale."""
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


def _list(stale: Mapping[str, Set[Hour]], *, as_json: bool) -> None:
    """Hours by month and asset."""
    months = {
        asset: Counter(f"{each.start:%Y-%m}" for each in hours)
        for asset, hours in stale.items()
        if hours
    }
    if as_json:
        show.print_json(months)
    elif not months:
        print("nothing is stale: every archived hour is loaded, by the rules as they are")
    else:
        for asset, counts in months.items():
            told = ", ".join(f"{month} ({count})" for month, count in sorted(counts.items()))
            print(f"{asset}: {told}")


def _tell(report: LoadReport, *, as_json: bool) -> None:
    if as_json:
        seconds = {asset: round(took, 3) for asset, took in report.seconds_by_asset.items()}
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
        print("nothing to rebuild: every archived hour is loaded, by the rules as they are")
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

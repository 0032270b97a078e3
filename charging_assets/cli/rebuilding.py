"""`rebuild`: stale hours in large numbers, month by month.

Belongs here: which hours are meant, and showing how they come along. Does not belong here: how a
month is rebuilt (`automation.rebuild`).
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from typing import TYPE_CHECKING

from charging_assets.cli import show
from charging_assets.cli.arguments import add_json, hour
from charging_assets.cli.errors import FAILED, UsageError
from charging_assets.plurals import counted

if TYPE_CHECKING:
    from charging_assets.automation.rebuild import Done, Rebuilt, Work

NAME = "rebuild"
HELP = "Load what is stale of each hour, month by month, as after a change of rules."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="first", type=hour, metavar="HOUR", help="first UTC hour")
    parser.add_argument("--to", dest="last", type=hour, metavar="HOUR", help="last UTC hour")
    parser.add_argument(
        "--all", dest="everything", action="store_true", help="also hours that are not stale"
    )
    parser.add_argument(
        "--list", dest="only_list", action="store_true", help="say what is stale, change nothing"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        help="worker processes that flatten (default: one per CPU; 0: in this process)",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from charging_assets import deployments
    from charging_assets.automation.rebuild import rebuild, work

    if arguments.first and arguments.last and arguments.first > arguments.last:
        raise UsageError(f"the range ends before it begins: {arguments.first} to {arguments.last}")
    storage = deployments.storage()
    asked = work(
        storage.lake,
        storage.warehouse,
        arguments.first,
        arguments.last,
        everything=arguments.everything,
    )
    if arguments.only_list:
        _list(asked, as_json=arguments.json)
        return 0
    began = time.monotonic()
    with show.progress("rebuilding", asked.steps, quiet=arguments.json) as step:

        def told(done: Done) -> None:
            step(
                f"{done.asset}  {show.spanned(done.hours)}  {done.seconds:.1f} s",
                count=len(done.hours),
            )

        rebuilt = rebuild(storage.lake, storage.warehouse, asked, told, workers=arguments.workers)
    _tell(asked, rebuilt, time.monotonic() - began, as_json=arguments.json)
    return FAILED if rebuilt.failed else 0


def _list(asked: Work, *, as_json: bool) -> None:
    """Hours by month and asset."""
    months = {
        asset: Counter(f"{hour.start:%Y-%m}" for hour in hours)
        for asset, hours in {"staged_tables": asked.to_stage, **asked.stale}.items()
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


def _tell(asked: Work, rebuilt: Rebuilt, seconds: float, *, as_json: bool) -> None:
    if as_json:
        show.print_json(
            {
                "hours": rebuilt.hours,
                "seconds": {name: round(took, 3) for name, took in rebuilt.seconds.items()},
                "failed": {failed.key: error for failed, error in rebuilt.failed.items()},
                "total_seconds": round(seconds, 3),
            }
        )
        return
    if not asked.hours:
        print("nothing to rebuild: every archived hour is loaded, by the rules as they are")
        return
    done = len(set(asked.hours) - set(rebuilt.failed))
    print(f"rebuilt {counted(done, 'hour')} in {seconds:.1f} s")
    for failed, error in list(rebuilt.failed.items())[:5]:
        print(f"{failed} failed: {error}")
    if rebuilt.failed:
        print(
            f"failed: {counted(len(rebuilt.failed), 'hour')}, which stay stale: "
            f"{show.told_hours(rebuilt.failed)}"
        )

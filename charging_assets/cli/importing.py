"""`import`: archives of before, into the raw archive.

Belongs here: choosing the feed and telling what came of it. Does not belong here: how files are
read (`acquisition.imports`).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from charging_assets.cli import show
from charging_assets.cli.arguments import add_json, time_zone
from charging_assets.cli.errors import FAILED, UsageError
from charging_assets.plurals import counted

if TYPE_CHECKING:
    from charging_assets.acquisition.feeds import Feed
    from charging_assets.acquisition.imports import ImportReport

NAME = "import"
HELP = "Import archived answers (.json, .json.gz, .zip, folders) as raw objects at their own time."
_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    parser.add_argument("--feed", default="chargecloud", help="whose answers they are")
    parser.add_argument(
        "--names-in",
        type=time_zone,
        metavar="ZONE",
        help="time zone of the times in files' names, if not the feed's own: UTC, …",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from charging_assets import deployments
    from charging_assets.acquisition.feeds import load_feeds
    from charging_assets.acquisition.imports import import_paths

    feed = _feed(arguments.feed, load_feeds())
    lake = deployments.storage().lake
    with show.count("importing") as tell:
        report = import_paths(lake, feed, arguments.paths, arguments.names_in, tell)
    if arguments.json:
        show.print_json(
            {
                "imported": report.imported,
                "already_there": report.known,
                "problems": report.problems,
                "passed_over": report.passed_over,
            }
        )
    else:
        _tell(report)
    return FAILED if report.problems else 0


def _feed(name: str, feeds: dict[str, Feed]) -> Feed:
    if name not in feeds:
        raise UsageError(f"there is no feed {name!r}; there are: {', '.join(sorted(feeds))}")
    return feeds[name]


def _tell(report: ImportReport) -> None:
    for title, files in (("imported", report.imported), ("already there", report.known)):
        print(f"{counted(len(files), 'file')} {title}")
        for name, key in list(files.items())[:_SHOWN]:
            print(f"  {name} → {key}")
        if len(files) > _SHOWN:
            print(f"  and {len(files) - _SHOWN:,} more")
    if report.passed_over:
        first = ", ".join(Path(path).name for path in report.passed_over[:3])
        print(f"{counted(len(report.passed_over), 'file')} of other forms passed over: {first}")
    for name, problem in report.problems.items():
        show.err().print(f"error: {name}: {problem}", style="red", markup=False, soft_wrap=True)
    if report.imported:
        print("`charging-assets load` brings them into the warehouse.")

"""`compact`: pack the raw objects of complete days into one object per day.

`archive.compaction` does the work and verifies it before it deletes anything.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING

from charging_assets.cli import show
from charging_assets.cli.arguments import add_json
from charging_assets.cli.errors import UsageError
from charging_assets.text import count_noun

if TYPE_CHECKING:
    from charging_assets.archive.compaction import CompactedDay

NAME = "compact"
HELP = "Pack the raw objects of past days into one object per day, without losing anything."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--feed", help="only this feed (default: every archived feed)")
    parser.add_argument(
        "--day", type=_day, action="append", metavar="YYYY-MM-DD", help="only this UTC day"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from charging_assets import deployments
    from charging_assets.archive.compacted_days import archive_lake
    from charging_assets.archive.compaction import compact
    from charging_assets.archive.raw_archive import feeds_archived

    lake = archive_lake(deployments.storage().lake)
    feeds = feeds_archived(lake)
    if arguments.feed is not None and arguments.feed not in feeds:
        raise UsageError(
            f"the archive has no feed {arguments.feed!r}; it has {', '.join(feeds) or 'none'}"
        )
    done: list[CompactedDay] = []
    for feed in feeds if arguments.feed is None else [arguments.feed]:
        progress = (lambda _: None) if arguments.json else _print_day
        done += compact(lake, feed, arguments.day, progress=progress)
    if arguments.json:
        show.print_json([asdict(each) for each in done])
    elif not done:
        print("nothing to compact: a day is ready two days after its end, if it has six polls")
    return 0


def _print_day(done: CompactedDay) -> None:
    before, after = done.bytes_before / 1000, done.bytes_after / 1000
    polls = count_noun(done.polls, "poll")
    print(f"{done.feed} {done.day}: {polls}, {before:,.0f} kB → {after:,.0f} kB")
    sys.stdout.flush()


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day; give YYYY-MM-DD") from None

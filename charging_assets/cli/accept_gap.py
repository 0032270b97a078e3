"""`accept-gap`: accept hours without polls as permanently lost, with a reason.

The notes themselves are written by `archive.gaps`.
"""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import TYPE_CHECKING

from charging_assets import clock
from charging_assets.cli import show
from charging_assets.cli.arguments import add_json, hour
from charging_assets.cli.errors import FAILED, UsageError
from charging_assets.hours import FIRST_HOUR, Hour, hours_between
from charging_assets.text import count_noun, printable

if TYPE_CHECKING:
    from charging_assets.deployments import Storage

NAME = "accept-gap"
HELP = "Accept hours without polls as permanently lost: they are loaded empty, not missed."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=hour, metavar="FROM", help="first UTC hour")
    parser.add_argument("last", type=hour, metavar="TO", help="last UTC hour, included")
    parser.add_argument(
        "--feed", help="the feed that has no polls; without it, hours in which no feed has any"
    )
    parser.add_argument("--reason", required=True, help="why; kept with the data")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from charging_assets import deployments
    from charging_assets.archive.gaps import accept
    from charging_assets.orchestration.notes import sync_notes

    now, reason = clock.utc_now(), arguments.reason.strip()
    _require_valid(arguments.first, arguments.last, reason, now)
    storage = deployments.storage()
    wanted = hours_between(arguments.first, arguments.last)
    _refuse_unknown_feed(storage, arguments.feed)
    done = accept(storage.lake, wanted, reason, now, arguments.feed)
    sync_notes(storage.lake, storage.warehouse)
    if arguments.json:
        result = {"accepted": done.accepted, "known": done.already_accepted, "polled": done.polled}
        show.print_json({name: [each.key for each in hours] for name, hours in result.items()})
    else:
        for hours, outcome in (
            (done.accepted, "accepted as lost"),
            (done.already_accepted, "accepted before"),
            (done.polled, "have polls, left as they are"),
        ):
            if hours:
                print(f"{count_noun(len(hours), 'hour')} {outcome}: {show.format_hours(hours)}")
        if done.accepted:
            print("`charging-assets load` loads them empty; importing their polls reopens them.")
    return FAILED if not (done.accepted or done.already_accepted) else 0


def _refuse_unknown_feed(storage: Storage, feed: str | None) -> None:
    from charging_assets.archive.raw_archive import feeds_archived
    from charging_assets.sources.feeds import load_feeds

    if feed is None:
        return
    feeds = sorted({*feeds_archived(storage.lake), *load_feeds()})
    if feed not in feeds:
        raise UsageError(f"there is no feed '{printable(feed)}'; feeds are {', '.join(feeds)}")


def _require_valid(first: Hour, last: Hour, reason: str, now: datetime) -> None:
    if first > last:
        raise UsageError(f"the range ends before it begins: {first} to {last}")
    if first.start < FIRST_HOUR:
        raise UsageError(f"the archive begins at {Hour(FIRST_HOUR)}; choose a later FROM")
    if last >= Hour.of(now):
        raise UsageError(f"{last} has not ended yet; accept hours before {Hour.of(now)}")
    if not reason:
        raise UsageError("--reason is empty; state why these hours have no polls")
    if reason != reason.encode("utf-8", "replace").decode():
        raise UsageError(f"--reason '{printable(reason)}' is not UTF-8; give it as plain text")

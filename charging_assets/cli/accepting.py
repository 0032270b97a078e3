"""`accept-gap`: hours that nobody will ever have are accepted as lost, and why.

Belongs here: which hours, and telling what came of it. Does not belong here: the notes (`gaps`),
or loading the empty hours (`load`, healing).
"""

from __future__ import annotations

import argparse
from datetime import datetime

from charging_assets import clock
from charging_assets.cli import show
from charging_assets.cli.arguments import add_json, hour
from charging_assets.cli.errors import FAILED, UsageError
from charging_assets.partitions import FIRST_HOUR, Hour, hours_between
from charging_assets.plurals import counted
from charging_assets.text import printable

NAME = "accept-gap"
HELP = "Accept hours without polls as lost for good: loaded empty, no longer missed."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=hour, metavar="FROM", help="first UTC hour")
    parser.add_argument("last", type=hour, metavar="TO", help="last UTC hour, included")
    parser.add_argument("--reason", required=True, help="why, for those who read the data later")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from charging_assets import deployments
    from charging_assets.acquisition.gaps import accept
    from charging_assets.automation.notes import publish_notes

    now, reason = clock.utc_now(), arguments.reason.strip()
    _refuse_what_cannot_be(arguments.first, arguments.last, reason, now)
    storage = deployments.storage()
    done = accept(storage.lake, hours_between(arguments.first, arguments.last), reason, now)
    publish_notes(storage.lake, storage.warehouse)
    if arguments.json:
        told = {"accepted": done.accepted, "known": done.known, "polled": done.polled}
        show.print_json({name: [each.key for each in hours] for name, hours in told.items()})
    else:
        for hours, what in (
            (done.accepted, "accepted as lost"),
            (done.known, "accepted before"),
            (done.polled, "have polls, left as they are"),
        ):
            if hours:
                print(f"{counted(len(hours), 'hour')} {what}: {show.told_hours(hours)}")
        if done.accepted:
            print("`charging-assets load` loads them, empty; an import reopens them.")
    return FAILED if not (done.accepted or done.known) else 0


def _refuse_what_cannot_be(first: Hour, last: Hour, reason: str, now: datetime) -> None:
    if first > last:
        raise UsageError(f"the range ends before it begins: {first} to {last}")
    if first.start < FIRST_HOUR:
        raise UsageError(f"the archive begins at {Hour(FIRST_HOUR)}; choose a later FROM")
    if last >= Hour.of(now):
        raise UsageError(f"{last} is not over yet; accept hours before {Hour.of(now)}")
    if not reason:
        raise UsageError("--reason says nothing; say why these hours have no polls")
    if reason != reason.encode("utf-8", "replace").decode():
        raise UsageError(f"--reason '{printable(reason)}' is not UTF-8; give it as plain text")

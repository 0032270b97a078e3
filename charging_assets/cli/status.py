"""`status`: prints the archived, loaded, stale and missing hours, and the rejects.

`overview` collects the facts. `doctor` checks the installation.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from datetime import datetime
from typing import Any

from charging_assets import clock
from charging_assets.cli import freshness, show
from charging_assets.cli.arguments import add_json, duration
from charging_assets.cli.disk import DiskUse, disk_use
from charging_assets.cli.errors import FAILED
from charging_assets.cli.overview import FeedArchive, Overview, overview
from charging_assets.text import count_noun

NAME = "status"
HELP = "Show archived, loaded, stale and missing hours, rejects, and how long the disk lasts."
_MAX_LISTED = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-age",
        type=duration,
        metavar="30m",
        help="only check that every enabled feed has a good poll within this time; exit 2 if not",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    from charging_assets import deployments
    from charging_assets.settings import home

    if arguments.max_age is not None:
        return freshness.run(arguments)
    storage = deployments.storage()
    state, now = overview(storage.lake, storage.warehouse), clock.utc_now()
    disk = disk_use(home(), now.date())
    waiting = len(storage.spool.waiting()) if storage.spool else 0
    if arguments.json:
        more = {"disk": {**asdict(disk), "days_left": disk.days_left}, "spooled": waiting}
        show.print_json(_as_json(state, now) | more)
    else:
        _print_overview(state, now)
        if state.feeds or waiting:
            _print_disk(disk, waiting)
    return FAILED if state.warehouse_error else 0


def _as_json(state: Overview, now: datetime) -> dict[str, Any]:
    stale, rejects = state.stale, state.rejects
    return {
        "warehouse": state.warehouse,
        "warehouse_error": state.warehouse_error,
        "warehouse_note": state.warehouse_note,
        "hours_archived": len(state.hours),
        "hours_loaded": None if stale is None else len(state.hours) - len(stale),
        "stale": None
        if stale is None
        else [{"hour": each.hour.key, "reason": each.reason} for each in stale],
        "rejects": None
        if rejects is None
        else [
            {"feed": r.feed, "code": r.code, "severity": r.severity, "count": r.count}
            for r in rejects
        ],
        "contested_ids": [
            {
                "feed": ids.feed,
                "entity": ids.entity,
                "hour": ids.hour.key,
                "count": ids.count,
                "places": list(ids.places),
            }
            for ids in state.contested
        ],
        "feeds": [_feed_as_json(feed, now) for feed in state.feeds],
    }


def _feed_as_json(feed: FeedArchive, now: datetime) -> dict[str, Any]:
    return {
        "feed": feed.feed,
        "hours_archived": len(feed.hours),
        "hours_loaded": None if feed.stale is None else len(feed.hours) - len(feed.stale),
        "first_hour": feed.hours[0].key,
        "last_hour": feed.hours[-1].key,
        "hours_missing": [hour.key for hour in feed.gaps],
        "polls": feed.objects,
        "missed_slots": feed.missed_slots,
        "newest_loaded_at": feed.newest_loaded_at and feed.newest_loaded_at.isoformat(),
        "last_poll_at": feed.last_poll_at.isoformat(),
        "last_poll_age_s": round((now - feed.last_poll_at).total_seconds()),
    }


def _print_overview(state: Overview, now: datetime) -> None:
    print(state.warehouse)
    if state.warehouse_note:
        print(f"note: {state.warehouse_note}")
    if state.warehouse_error:
        show.err().print(
            f"error: {state.warehouse_error}", style="red", markup=False, soft_wrap=True
        )
    if not state.feeds:
        print(
            "The archive is empty. `charging-assets live` polls, `charging-assets import` "
            "imports files, `charging-assets simulate --hours 48` generates sample data."
        )
        return
    for feed in state.feeds:
        _print_feed(feed, now)
    _print_stale(state)
    _print_rejects(state)
    _print_contested_ids(state)


def _print_disk(disk: DiskUse, waiting: int) -> None:
    parts = ", ".join(
        f"{name.replace('_', ' ')} {show.size(size)}" for name, size in disk.parts.items() if size
    )
    print(f"\ndisk: {parts}; {show.size(disk.free)} free")
    if disk.bytes_a_day:
        print(
            f"  grows by {show.size(disk.bytes_a_day)} a day, lasts for "
            f"{count_noun(disk.days_left or 0, 'day')}"
        )
    if waiting:
        print(f"\nspool: {count_noun(waiting, 'poll')} to be archived; `charging-assets drain`")


def _print_feed(feed: FeedArchive, now: datetime) -> None:
    loaded = "?" if feed.stale is None else f"{len(feed.hours) - len(feed.stale):,}"
    print(f"\n{feed.feed}")
    print(f"  hours archived  {len(feed.hours):,} ({feed.hours[0]} to {feed.hours[-1]} UTC)")
    print(f"  hours loaded    {loaded}")
    print(
        f"  hours missing   {len(feed.gaps):,}{_prefix(show.format_hours(feed.gaps, _MAX_LISTED))}"
    )
    print(f"  polls           {feed.objects:,}")
    print(f"  missed slots    {feed.missed_slots:,}")
    last = f"{feed.last_poll_at:%Y-%m-%d %H:%M:%S} UTC"
    print(f"  last poll       {last}, {show.age(feed.last_poll_at, now)}")
    if feed.newest_loaded_at:
        newest = f"{feed.newest_loaded_at:%Y-%m-%d %H:%M:%S} UTC"
        print(f"  newest loaded   {newest}, {show.age(feed.newest_loaded_at, now)}")


def _prefix(text: str) -> str:
    return f": {text}" if text else ""


def _print_stale(state: Overview) -> None:
    if state.stale is None:
        return
    print(f"\nstale: {count_noun(len(state.stale), 'hour')}")
    for each in state.stale[:_MAX_LISTED]:
        print(f"  {each.hour}  {each.reason}")
    if len(state.stale) > _MAX_LISTED:
        print(f"  and {len(state.stale) - _MAX_LISTED:,} more")
    if state.stale:
        print("  `charging-assets load` loads them.")


def _print_rejects(state: Overview) -> None:
    if state.rejects is None:
        return
    print(f"\nrejected: {sum(r.count for r in state.rejects):,}")
    for reject in state.rejects:
        print(f"  {reject.feed:<16} {reject.code:<24} {reject.severity:<8} {reject.count:>10,}")


def _print_contested_ids(state: Overview) -> None:
    for ids in state.contested:
        one, other = ids.places
        what = count_noun(ids.count, "EVSE id" if ids.entity == "evse" else "station id")
        print(
            f"\nwarning: feed {ids.feed}, {ids.hour}: places publish {what} for different things "
            f"({one} and {other}, for example)"
        )
    if state.contested:
        print(
            '  If ids are unique within a place only, set ids_within = "place" for the feed in '
            "your feeds file\n  (CHARGING_FEEDS), then `charging-assets load`."
        )
    if any(ids.entity == "evse" for ids in state.contested):
        print('  If EVSE ids are unique at their station only, set ids_within = "parent".')

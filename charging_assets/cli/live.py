"""`live`: poll the real APIs and load the result, then start Dagster with its schedules on."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from charging_assets.cli import show
from charging_assets.cli.arguments import port
from charging_assets.cli.errors import FAILED, UsageError
from charging_assets.cli.load import load
from charging_assets.cli.ui import reserve, serve
from charging_assets.hours import Hour, to_naive_utc
from charging_assets.schemas.outcomes import is_good, places_answered
from charging_assets.text import count_noun

if TYPE_CHECKING:
    from charging_assets.archive.raw_objects import PlaceResponse, Poll
    from charging_assets.deployments import Storage
    from charging_assets.sources.feeds import Feed
    from charging_assets.warehouse.interface import Warehouse

NAME = "live"
HELP = "Poll every enabled feed now, load the current hour, then poll every ten minutes."
_PORT = 3000
_REASON = "polled just now"
Polled = Sequence[tuple["Poll", list["PlaceResponse"]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="stop after the first poll and load")
    parser.add_argument(
        "--port", type=port, default=_PORT, help="port of the UI (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    from charging_assets import deployments
    from charging_assets.orchestration.staleness import StaleHour
    from charging_assets.sources.feeds import load_feeds

    storage, feeds = deployments.storage(), load_feeds()
    enabled = {name: feed for name, feed in feeds.items() if feed.enabled}
    if not enabled:
        raise UsageError("no feed is enabled; set `enabled = true` in the file of CHARGING_FEEDS")
    # Before the first poll, so that a Dagster that cannot start is reported at once.
    lock = None if arguments.once else reserve(arguments.port, NAME)
    places = sum(len(feed.places) for feed in enabled.values())
    print(f"polling {count_noun(places, 'place')} of {', '.join(enabled)} …")
    sys.stdout.flush()
    polled, failed_feeds = _poll(storage, enabled)
    hours = sorted({Hour.of(header.slot_at) for header, _ in polled})
    loaded = load(storage, [StaleHour(hour, _REASON) for hour in hours])
    for header, answers in polled:
        _print_poll(header, answers, {} if loaded.failed else _counts(storage.warehouse, header))
    for feed, reason in failed_feeds.items():
        show.err().print(f"error: {feed}: {reason}", style="red", markup=False, soft_wrap=True)
    if lock is None:
        silent = [header.feed for header, answers in polled if not _places_answered(answers)]
        return (
            FAILED
            if failed_feeds or loaded.failed or loaded.failed_feeds or loaded.unchecked or silent
            else 0
        )
    # Also after a failure: an API that is away now may be back in ten minutes.
    return serve(lock, arguments.port, live=True)


def _poll(storage: Storage, feeds: Mapping[str, Feed]) -> tuple[Polled, dict[str, str]]:
    """Poll every feed; returns the archived polls, and the feeds without one."""
    from charging_assets.acquisition.poll import poll
    from charging_assets.acquisition.poll_hour import current_hour, poll_hour

    polled: list[tuple[Poll, list[PlaceResponse]]] = []

    def recording_poll(feed: Feed) -> tuple[Poll, list[PlaceResponse]]:
        polled.append(poll(feed, lake=storage.lake))
        return polled[-1]

    report = poll_hour(
        storage.lake, feeds, current_hour(), poller=recording_poll, spool=storage.spool
    )
    failed = report.failed_feeds | {
        feed: f"the lake refused its poll ({reason}); it is in the spool"
        for feed, reason in report.spooled.items()
    }
    polled.sort(key=lambda each: each[0].feed)
    return [each for each in polled if each[0].feed not in failed], failed


def _places_answered(answers: Sequence[PlaceResponse]) -> int:
    return sum(places_answered((each.slug, each.outcome) for each in answers).values())


def _counts(warehouse: Warehouse, header: Poll) -> dict[str, Mapping[str, int]]:
    """Stations and EVSEs of the poll by place, from the warehouse."""
    rows = warehouse.query(
        "SELECT place, station_count, evse_count FROM warehouse.fact_poll "
        "WHERE feed = :feed AND slot_at = :slot_at",
        {"feed": header.feed, "slot_at": to_naive_utc(header.slot_at)},
    ).to_pylist()
    return {row["place"]: row for row in rows}


def _print_poll(
    header: Poll, answers: Sequence[PlaceResponse], counts: Mapping[str, Mapping[str, int]]
) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=f"{header.feed}, slot {header.slot_at:%H:%M} UTC")
    table.add_column("Place")
    table.add_column("Outcome")
    for title in ("ms", "kB", "Stations", "EVSEs"):
        table.add_column(title, justify="right")
    for slug, group in groupby(answers, key=lambda place: place.slug):
        parts = list(group)
        place_counts = counts.get(slug, {})
        bad = next((part for part in parts if not is_good(part.outcome)), None)
        durations = [part.elapsed_ms for part in parts if part.elapsed_ms is not None]
        table.add_row(
            slug,
            f"[red]{bad.outcome}[/] {escape(bad.detail or '')}" if bad else parts[0].outcome,
            f"{sum(durations):,}" if durations else "–",
            f"{sum(len(part.body or b'') for part in parts) / 1000:,.0f}",
            f"{place_counts['station_count']:,}" if not bad and place_counts else "–",
            f"{place_counts['evse_count']:,}" if not bad and place_counts else "–",
        )
    good_places, place_count = _places_answered(answers), len({each.slug for each in answers})
    stations = sum(each["station_count"] for each in counts.values())
    evses = sum(each["evse_count"] for each in counts.values())
    console = show.out()
    console.print(table)
    console.print(
        f"{good_places} of {count_noun(place_count, 'place')} answered: "
        f"{stations:,} stations, {evses:,} EVSEs. The answers are archived."
    )

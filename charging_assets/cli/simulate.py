"""`simulate`: write raw objects of a simulated network for past hours."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from charging_assets.cli import show
from charging_assets.cli.arguments import hour, positive_int, positive_number
from charging_assets.cli.errors import UsageError
from charging_assets.hours import FIRST_HOUR, ONE_HOUR, Hour, hours_between
from charging_assets.text import count_noun

if TYPE_CHECKING:
    from charging_assets.lake.store import Lake
    from charging_assets.simulator import Network

NAME = "simulate"
HELP = "Write raw objects of a simulated network for past hours (feed `simulated`)."
# A Monday. Fixed, so that simulations are reproducible.
DEFAULT_START = Hour.parse("2026-01-12T00")
_SLOTS_AN_HOUR = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hours", type=positive_int, required=True, help="number of hours")
    parser.add_argument(
        "--scale",
        type=positive_number,
        default=1.0,
        help="size of the network; 1 (default) is 1,162 stations",
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="random seed of the network (default: %(default)s)"
    )
    parser.add_argument(
        "--start",
        type=hour,
        default=DEFAULT_START,
        metavar="HOUR",
        help="first UTC hour (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    from charging_assets import deployments

    hours = period(arguments.start, arguments.hours)
    network = network_of(arguments.seed, arguments.scale)
    written = simulate(deployments.storage().lake, network, hours)
    span = show.format_hours(hours)
    if not written:
        print(f"{span} of {network.origin}: already simulated, nothing to do")
        return 0
    print(f"{span} of {network.origin}: {count_noun(written, 'poll')} written")
    print("Run `charging-assets load` to load them into the warehouse.")
    return 0


def period(start: Hour, count: int) -> list[Hour]:
    """The hours to simulate; UsageError if they are before the first partition."""
    if start.start < FIRST_HOUR:
        raise UsageError(f"the archive begins at {Hour(FIRST_HOUR)}; choose a later --start")
    return list(hours_between(start, Hour(start.start + (count - 1) * ONE_HOUR)))


def network_of(seed: int, scale: float) -> Network:
    """The network of a seed and scale, complete from the start of the default period."""
    from charging_assets.simulator import Network

    return Network(seed, scale, whole_at=DEFAULT_START.start)


def simulate(lake: Lake, network: Network, hours: Iterable[Hour]) -> int:
    """Write the hours that lack polls; returns the number of new polls."""
    from charging_assets.simulator import write_history

    missing = [hour for hour in hours if not _is_complete(lake, network, hour)]
    if not missing:
        return 0
    written = 0
    with show.progress("simulating", len(missing)) as step:
        for hour in missing:
            report = write_history(lake, network, hour, Hour(hour.end))
            written += report.polls
            step(f"{hour}  {count_noun(report.polls, 'poll')}")
    return written


def _is_complete(lake: Lake, network: Network, hour: Hour) -> bool:
    """Whether the hour has all its polls; UsageError if they are of another network."""
    from charging_assets.archive.raw_archive import hour_keys, read
    from charging_assets.simulator import FEED

    keys = hour_keys(lake, [FEED], hour)
    origins = {next(read(lake, key)).poll.origin for key in keys[:1]}
    if origins - {network.origin}:
        raise UsageError(
            f"{hour} holds polls of another network ({origins.pop()}); choose other hours "
            "(--start) or another CHARGING_HOME"
        )
    return len(keys) >= _SLOTS_AN_HOUR

"""`demo`: simulate two days, load them and print a report."""

from __future__ import annotations

import argparse
import time

from charging_assets.cli import show
from charging_assets.cli.arguments import positive_int, positive_number
from charging_assets.cli.demo_report import report
from charging_assets.cli.errors import FAILED
from charging_assets.cli.load import load
from charging_assets.cli.simulate import DEFAULT_START, network_of, period, simulate
from charging_assets.text import count_noun

NAME = "demo"
HELP = "Simulate two days, load the missing hours and print a report."
_SEED, _HOURS = 1, 48
_NEXT = {
    "ui": "opens Dagster's UI: asset graph, partitions, checks and runs of this demo",
    "dashboard": "opens maps and charts of this demo",
    "live": "polls the real APIs every ten minutes",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--hours", type=positive_int, default=_HOURS, help="number of hours (default: %(default)s)"
    )
    parser.add_argument(
        "--scale",
        type=positive_number,
        default=1.0,
        help="size of the network; 1 (default) is 1,162 stations",
    )


def run(arguments: argparse.Namespace) -> int:
    from charging_assets import deployments
    from charging_assets.orchestration.staleness import stale_hours
    from charging_assets.simulator import FEED

    storage, console, began = deployments.storage(), show.out(), time.monotonic()
    hours = period(DEFAULT_START, arguments.hours)
    network = network_of(_SEED, arguments.scale)
    console.print(f"{network.origin}: {show.format_hours(hours)} UTC")

    written = simulate(storage.lake, network, hours)
    console.print(
        f"archive: {count_noun(written, 'new poll')} in {time.monotonic() - began:.1f} s"
        if written
        else "archive: every poll is archived already"
    )
    stale = stale_hours(storage.lake, storage.warehouse)
    loaded = load(storage, stale)
    if loaded.failed:
        console.print(
            f"[red]{count_noun(len(loaded.failed), 'hour')} could not be loaded[/]: "
            f"{show.format_hours(loaded.failed)}; run `charging-assets doctor` to find the cause"
        )
        return FAILED
    rows = sum(loaded.loaded.values())
    console.print(
        f"warehouse: loaded {count_noun(len(stale), 'hour')}, {rows:,} rows, "
        f"in {loaded.seconds:.1f} s\n"
        if stale
        else "warehouse: every hour is loaded already\n"
    )
    report(console, storage.warehouse, FEED, hours[0], hours[-1])
    console.print(f"Done in {time.monotonic() - began:.1f} s; {storage.warehouse.describe()}")
    for target, effect in _NEXT.items():
        console.print(f"[bold]{f'make {target}':<14}[/]  {effect}")
    return 0

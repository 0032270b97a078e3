"""Compares `charging-assets demo`, interrupted at five points, with an uninterrupted one.

`python -m charging_assets_tests.cli.demo_interrupted --hours 12 --scale 0.3`: each time the demo is
interrupted by SIGINT and run again, and all tables of the warehouse are compared with those of the
uninterrupted demo. The exit code is 1 where any differ.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from charging_assets_tests.cli.interrupting import (
    Ended,
    Rows,
    differing,
    run_whole,
    started,
    tables,
)

# After which asset's materialization the demo is interrupted; None: while it simulates.
MOMENTS = {"simulate": None, "flatten": "flat_polls", "stage": "flat_rejects", "model": "dim_evse"}
_SIMULATING, _LAST_HOUR = "simulating +3/", "last hour"
_TIMEOUT_S = 300
_MATERIALIZED = (
    "SELECT 1 FROM event_logs WHERE asset_key = ? "
    "AND dagster_event_type = 'ASSET_MATERIALIZATION' LIMIT 1"
)


def compare(hours: int, scale: float, log: Callable[[str], None]) -> list[tuple[Ended, list[str]]]:
    """How each interrupted demo ended, and the tables in which the one after it differs."""
    wanted = ("demo", "--hours", str(hours), "--scale", str(scale))
    results = []
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        run_whole(whole, *wanted)
        expected: Rows = tables(whole)
        rows = sum(map(len, expected.values()))
        log(f"uninterrupted: {len(expected)} tables, {rows:,} rows")
        shutil.rmtree(whole)
        for name in [*MOMENTS, _LAST_HOUR]:
            home = Path(folder) / name.replace(" ", "_")
            with started(home, *wanted) as command:
                if name == _LAST_HOUR:
                    command.wait_for(f"loading +{hours - 1}/{hours}")
                elif (asset := MOMENTS[name]) is not None:
                    _await_materialization(home, asset)
                else:
                    command.wait_for(_SIMULATING)
                ended = command.end_by(signal.SIGINT, group=True)
            log(
                f"{name}: exit {ended.code} after {ended.seconds:.1f} s, processes left over: "
                f"{len(ended.left_over)}; the end of standard error:"
            )
            for line in ended.err.splitlines()[-3:]:
                log(f"    {line}")
            run_whole(home, *wanted)
            differ = differing(tables(home), expected)
            log(f"    run again: exit 0, tables that differ: {', '.join(differ) or 'none'}")
            results.append((ended, differ))
            shutil.rmtree(home)
    return results


def _await_materialization(home: Path, asset: str) -> None:
    """Return once Dagster has recorded the first materialization of an asset."""
    index = home / "dagster" / "history" / "runs" / "index.db"
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline:
        with (
            suppress(sqlite3.OperationalError),
            closing(sqlite3.connect(_uri(index), uri=True)) as db,
        ):
            if db.execute(_MATERIALIZED, [json.dumps([asset])]).fetchone():
                return
        time.sleep(0.05)
    raise AssertionError(f"{asset} was not materialized within {_TIMEOUT_S} s")


def _uri(path: Path) -> str:
    return f"file:{path}?mode=ro"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m charging_assets_tests.cli.demo_interrupted")
    parser.add_argument("--hours", type=int, default=12)
    parser.add_argument("--scale", type=float, default=0.3)
    chosen = parser.parse_args()
    results = compare(chosen.hours, chosen.scale, lambda line: print(line, flush=True))
    return int(any(ended.code != 130 or differ for ended, differ in results))


if __name__ == "__main__":
    sys.exit(main())

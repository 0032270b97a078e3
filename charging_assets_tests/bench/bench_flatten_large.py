"""P2: one hour from raw objects to flat Parquet at a hundred times the network.

Each network is flattened in a separate process, whose peak memory is reported; the second of two
hours, which is warm, is measured. The floor decodes the same bodies with orjson, place by place, in
the same process. CHARGING_BENCH_TIMES is the scale of the network (default: 100); simulating its
answers takes longer than flattening them.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from charging_assets.archive.raw_archive import hour_keys, read_places
from charging_assets.hours import Hour
from charging_assets.lake.flat_files import write_flat
from charging_assets.lake.store import LocalLake
from charging_assets.preprocessing.flatten import flatten
from charging_assets.preprocessing.gc_pause import gc_paused
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.simulator import Network, write_history

FIRST = Hour.parse("2025-01-08T06")
SECOND = Hour.of(FIRST.end)
FLOOR_TARGET, MEMORY_TARGET_MB, COST_TARGET = 2.0, 350, 130


def run() -> list[dict[str, Any]]:
    """The three figures of P2: against the floor, the peak of memory, and against 1 times."""
    times = int(os.environ.get("CHARGING_BENCH_TIMES", "100"))
    with tempfile.TemporaryDirectory() as folder:
        one, many = (_measured_apart(Path(folder) / str(scale), scale) for scale in (1, times))
    figures = {"times": times, "seconds": many["ours_s"], "seconds_at_1": one["ours_s"]}
    return [
        _goal("P2 against the floor", many["ours_s"] / many["floor_s"], FLOOR_TARGET, **figures),
        _goal("P2 peak memory, MB", many["peak_mb"], MEMORY_TARGET_MB, **figures),
        _goal("P2 against 1 times", many["ours_s"] / one["ours_s"], COST_TARGET, **figures),
    ]


def _goal(goal: str, ratio: float, target: float, **figures: Any) -> dict[str, Any]:
    is_large_enough = figures["times"] >= 100
    met = ratio <= target and is_large_enough
    return {"goal": goal, "ratio": round(ratio, 2), "target": target, "met": met, **figures}


def _measured_apart(folder: Path, scale: int) -> dict[str, float]:
    write_history(LocalLake(folder), Network(seed=1, scale=scale), FIRST, Hour.of(SECOND.end))
    command = [sys.executable, "-m", __name__, str(folder)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures: dict[str, float] = json.loads(output)
    return figures


def _measured(lake: LocalLake) -> dict[str, float]:
    _flattened(lake, FIRST)
    ours_s = _timed(_flattened, lake, SECOND)
    # Linux reports kilobytes.
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "ours_s": round(ours_s, 3),
        "floor_s": round(_floor_s(lake, SECOND), 3),
        "peak_mb": round(peak_mb),
    }


def _flattened(lake: LocalLake, hour: Hour) -> None:
    flat_hour = flatten(read_places(lake, hour_keys(lake, ["simulated"], hour)))
    for table in FLAT_TABLES:
        rows = flat_hour[table.name]
        write_flat(lake, table, "bench", hour, rows, archive_digest="bench", code_version="bench")


def _floor_s(lake: LocalLake, hour: Hour) -> float:
    """Seconds of decoding only, without reading the archive and without garbage collection."""
    took = 0.0
    for _, _, answers in read_places(lake, hour_keys(lake, ["simulated"], hour)):
        bodies = [a.place.body for a in answers if a.place.outcome == "ok" and a.place.body]
        # The caches of flattening are alive here; a garbage collection would traverse them.
        with gc_paused():
            took += sum(_timed(orjson.loads, body) for body in bodies)
    return took


def _timed(work: Any, *arguments: Any) -> float:
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


if __name__ == "__main__":
    print(json.dumps(_measured(LocalLake(Path(sys.argv[1])))))

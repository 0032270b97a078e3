"""`make bench`: measure every goal, print the results and write build/bench.json.

Ratios are measured in one run. A missed goal is reported and does not fail the command.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from charging_assets_tests.bench import (
    bench_archive,
    bench_dagster,
    bench_dashboard,
    bench_flatten,
    bench_flatten_large,
    bench_history,
    bench_load,
    bench_poll,
    bench_rebuild,
    bench_replay,
    bench_status,
)

TARGET = Path("build/bench.json")


def main() -> None:
    logging.disable(logging.INFO)
    results: list[dict[str, Any]] = []
    for title, measure in (
        ("raw to flat", bench_flatten.run),
        ("raw to flat at 100 times", bench_flatten_large.run),
        ("archive", bench_archive.run),
        ("polling", lambda: [bench_poll.run()]),
        ("loading", bench_load.run),
        ("status runs", bench_status.run),
        ("history", bench_history.run),
        ("pages of the dashboard", bench_dashboard.run),
        ("rebuilds", bench_rebuild.run),
        ("Dagster's share", bench_dagster.run),
        ("Dagster's share of a replay", bench_replay.run),
    ):
        print(f"measuring: {title} …", flush=True)
        results += measure()
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    for result in results:
        state = "met" if result["met"] else "missed"
        rest = {k: v for k, v in result.items() if k not in {"goal", "ratio", "target", "met"}}
        print(f"{result['goal']}: {result['ratio']} (target {result['target']}): {state}  {rest}")


if __name__ == "__main__":
    main()

"""`make score`: weeks of simulated life, and how well the warehouse tells them.

Belongs here: the runs, what is asked of them, and telling it. The score goes to build/truth.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from charging_assets_tests.truth import score
from charging_assets_tests.truth.weeks import Weeks, loaded

TARGET = Path("build/truth.json")
OCCUPANCY_WITHIN, SESSIONS_WITHIN = 0.005, 0.02


def main() -> int:
    asked = _arguments()
    scores = []
    for dwell in asked.dwell or [None]:
        weeks = Weeks(asked.days, asked.scale, asked.seed, dwell)
        began = time.monotonic()
        warehouse = loaded(weeks, _progress(len(weeks.hours)))
        result = scored(weeks, warehouse)
        result["seconds"] = round(time.monotonic() - began)
        print(json.dumps(result, indent=1, default=str), flush=True)
        scores.append(result)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(scores, indent=1, default=str) + "\n", encoding="utf-8")
    return 0 if all(result["met"] for result in scores) else 1


def scored(weeks: Weeks, warehouse: Any) -> dict[str, Any]:
    """All scores of a run, and whether all that is asked holds.

    Occupancy is asked to be within 0.5 %, or within three sampling errors where few stays make
    these larger.
    """
    truth = weeks.truth()
    shares = score.occupancy(warehouse, truth)
    found = score.sessions(warehouse, truth)
    bounds = score.bounds(warehouse, truth)
    met = {
        **{
            f"occupancy {name}": abs(each.deviation)
            <= max(OCCUPANCY_WITHIN, 3 * each.sampling_error)
            for name, each in shares.items()
        },
        "sessions": abs(found.share - found.expected) <= SESSIONS_WITHIN,
        "sessions with surplus": abs(found.share_with_surplus - found.expected) <= SESSIONS_WITHIN,
        "bounds": not bounds.wrong,
    }
    return {
        "days": weeks.days,
        "scale": weeks.scale,
        "seed": weeks.seed,
        "dwell_min": weeks.dwell_min,
        "occupancy": {
            name: {
                "told": round(each.told, 5),
                "true": round(each.true, 5),
                "deviation": round(each.deviation, 5),
                "sampling_error": round(each.sampling_error, 5),
            }
            for name, each in shares.items()
        },
        "sessions": {
            "true": found.true,
            "merged": found.merged,
            "found": round(found.share, 4),
            "surplus": found.surplus,
            "expected": round(found.expected, 4),
        },
        "bounds": {
            "starts": bounds.starts,
            "ends": bounds.ends,
            "wrong": len(bounds.wrong),
            "sample": bounds.wrong[:5],
        },
        "met": all(met.values()),
        "missed": [name for name, holds in met.items() if not holds],
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make score")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=4711)
    parser.add_argument("--dwell", type=float, nargs="*", help="mean minutes of a session")
    return parser.parse_args()


def _progress(count: int) -> Any:
    def tell(number: int) -> None:
        if number % 24 == 0 or number == count:
            print(f"  {number}/{count} hours", file=sys.stderr, flush=True)

    return tell


if __name__ == "__main__":
    sys.exit(main())

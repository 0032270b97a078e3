"""`make score`: weeks of simulated life, and how well the warehouse tells them.

Belongs here: the runs, what is asked of them, and telling it. The score goes to build/truth.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
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
        weeks = Weeks(asked.days, asked.scale, asked.seed, dwell, _gaps(asked.days))
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            warehouse = loaded(weeks, Path(folder), _progress)
            result = scored(weeks, warehouse)
        result["seconds"] = round(time.monotonic() - began)
        print(json.dumps(result, indent=1, default=str), flush=True)
        scores.append(result)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(scores, indent=1, default=str) + "\n", encoding="utf-8")
    return 0 if all(result["met"] for result in scores) else 1


def scored(weeks: Weeks, warehouse: Any, sampling_errors: float = 0.0) -> dict[str, Any]:
    """All scores of a run, and whether all that is asked holds.

    Occupancy is asked to be within 0.5 %, sampling or not; a test on few EVSEs allows for so many
    `sampling_errors`.
    """
    truth, unpolled = weeks.truth(), weeks.gap_spans
    shares = score.occupancy(warehouse, truth, unpolled)
    found = score.sessions(warehouse, truth, unpolled)
    bounds = score.bounds(warehouse, truth)
    energy = score.energy(warehouse, truth)
    gaps = score.gaps(warehouse, unpolled)
    met = {
        **{
            f"occupancy {name}": abs(each.deviation)
            <= max(OCCUPANCY_WITHIN, sampling_errors * each.sampling_error)
            for name, each in shares.items()
        },
        "sessions": abs(found.share - found.expected) <= SESSIONS_WITHIN,
        "sessions with surplus": abs(found.share_with_surplus - found.expected) <= SESSIONS_WITHIN,
        "bounds": bool(bounds.starts and bounds.ends) and not bounds.wrong,
        "energy": bool(energy.bounded) and not energy.wrong,
        "gaps": not gaps.told,
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
        "energy": {
            "bounded": energy.bounded,
            "wrong": len(energy.wrong),
            "sample": energy.wrong[:5],
        },
        "gaps": {"days": gaps.days, "rows": gaps.rows, "with a share": gaps.told},
        "met": all(met.values()),
        "missed": [name for name, holds in met.items() if not holds],
    }


def _gaps(days: int) -> tuple[tuple[int, int], ...]:
    """Most of a day, and a whole one, where there is time for them."""
    return ((9 * 24 + 5, 15), (15 * 24 - 3, 30)) if days >= 20 else ()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make score")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--scale", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=4711)
    parser.add_argument(
        "--dwell", type=float, nargs="*", default=[240, 35, 20], help="mean minutes of a session"
    )
    return parser.parse_args()


def _progress(told: str) -> None:
    print(f"  {told}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""`make score`: compare the warehouse with simulated weeks whose truth is known.

Runs the simulations, applies the targets and prints the result. The score goes to build/truth.json.
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
from charging_assets_tests.truth.estimates import estimate
from charging_assets_tests.truth.weeks import Weeks, loaded

TARGET = Path("build/truth.json")
OCCUPANCY_WITHIN, SESSIONS_WITHIN = 0.005, 0.02
# Of what pages show where polls are missing, relative to what polls without gaps could distinguish.
ESTIMATES_WITHIN = 0.03
GAP_SEEDS = (52_901, 77_347, 90_203)


def main() -> int:
    arguments = _arguments()
    scores = []
    runs = []
    if "weeks" in arguments.part:
        runs += [
            Weeks(arguments.days, arguments.scale, arguments.seed, dwell, _gaps(arguments.days))
            for dwell in arguments.dwell or [None]
        ]
    if "gaps" in arguments.part:
        runs += [
            Weeks(arguments.gap_days, arguments.gap_scale, seed, has_gap_plan=True)
            for seed in arguments.gap_seeds
        ]
    for weeks in runs:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            warehouse = loaded(weeks, Path(folder), _progress)
            result = (scored_gaps if weeks.has_gap_plan else scored)(weeks, warehouse)
        result["seconds"] = round(time.monotonic() - began)
        print(json.dumps(result, indent=1, default=str), flush=True)
        scores.append(result)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(scores, indent=1, default=str) + "\n", encoding="utf-8")
    return 0 if all(result["met"] for result in scores) else 1


def scored(weeks: Weeks, warehouse: Any, sampling_errors: float = 0.0) -> dict[str, Any]:
    """All scores of a run, and whether all targets are met.

    Occupancy must be within 0.5 %, sampling or not; a test on few EVSEs allows for so many
    `sampling_errors`.
    """
    truth, unpolled = weeks.truth(), weeks.gap_spans
    shares = score.occupancy(warehouse, truth, unpolled)
    session_score = score.sessions(warehouse, truth, unpolled)
    bounds = score.bounds(warehouse, truth)
    energy = score.energy(warehouse, truth)
    gaps = score.gaps(warehouse, unpolled)
    met = {
        **{
            f"occupancy {name}": abs(each.deviation)
            <= max(OCCUPANCY_WITHIN, sampling_errors * each.sampling_error)
            for name, each in shares.items()
        },
        "sessions": abs(session_score.share - session_score.expected) <= SESSIONS_WITHIN,
        "sessions with surplus": abs(session_score.share_with_surplus - session_score.expected)
        <= SESSIONS_WITHIN,
        "bounds": bool(bounds.starts and bounds.ends) and not bounds.wrong,
        "energy": bool(energy.bounded) and not energy.wrong,
        "gaps": not gaps.estimated,
    }
    return {
        "days": weeks.days,
        "scale": weeks.scale,
        "seed": weeks.seed,
        "dwell_min": weeks.dwell_min,
        "occupancy": {
            name: {
                "estimated": round(each.estimated, 5),
                "true": round(each.true, 5),
                "deviation": round(each.deviation, 5),
                "sampling_error": round(each.sampling_error, 5),
            }
            for name, each in shares.items()
        },
        "sessions": {
            "true": session_score.true,
            "merged": session_score.merged,
            "found": round(session_score.share, 4),
            "surplus": session_score.surplus,
            "expected": round(session_score.expected, 4),
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
        "gaps": {"days": gaps.days, "rows": gaps.rows, "with a share": gaps.estimated},
        "met": all(met.values()),
        "missed": [name for name, holds in met.items() if not holds],
    }


def scored_gaps(weeks: Weeks, warehouse: Any, within: float = ESTIMATES_WITHIN) -> dict[str, Any]:
    """The estimates of weeks with planned gaps, and whether those of all EVSEs are within 3 %.

    Those of a power class are reported only: they are of a quarter of the EVSEs.
    """
    result = estimate(warehouse, weeks.truth(), weeks.poll_times())
    met = {
        name: each.deviation is not None and abs(each.deviation) <= within
        for name, each in result.figures["all"].items()
    }
    return {
        "days": weeks.days,
        "scale": weeks.scale,
        "seed": weeks.seed,
        "coverage": round(result.coverage, 4),
        "evses": result.evse_count,
        "true sessions": result.session_count,
        "seen by no poll": round(result.short, 4),
        "merged": round(result.merged, 4),
        "estimates": {
            group: {
                name: {
                    "estimated": _rounded(each.estimated),
                    "polled": _rounded(each.polled),
                    "distinct": _rounded(each.distinct),
                    "all": _rounded(each.all),
                    "deviation": _rounded(each.deviation),
                    "interval": [_rounded(each.low), _rounded(each.high)],
                    "by gaps": _rounded(each.gap_effect),
                    "interval by gaps": [_rounded(each.gaps_low), _rounded(each.gaps_high)],
                    "distinct from all": _rounded(each.unseen),
                }
                for name, each in figures.items()
            }
            for group, figures in result.figures.items()
        },
        "met": all(met.values()),
        "missed": [name for name, holds in met.items() if not holds],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


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
    parser.add_argument(
        "--part", nargs="*", choices=("weeks", "gaps"), default=["weeks", "gaps"],
        help="weeks of which all is scored, and weeks with many gaps for what pages show",
    )  # fmt: skip
    parser.add_argument("--gap-days", type=int, default=23)
    parser.add_argument("--gap-scale", type=float, default=0.3)
    parser.add_argument("--gap-seeds", type=int, nargs="*", default=list(GAP_SEEDS))
    return parser.parse_args()


def _progress(message: str) -> None:
    print(f"  {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

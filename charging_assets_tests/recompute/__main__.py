"""`make recompute`: recompute the figures of a home and print what differs in its warehouse."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from charging_assets_tests.recompute.comparison import WAREHOUSE
from charging_assets_tests.recompute.figures import recompute


def main() -> int:
    """0 if nothing differs, 1 if something does, 2 for a folder that is not a loaded home."""
    parser = argparse.ArgumentParser(
        prog="python -m charging_assets_tests.recompute", description=__doc__
    )
    parser.add_argument(
        "home",
        nargs="?",
        type=Path,
        default=Path(os.environ.get("CHARGING_HOME") or ".charging"),
        help="folder with lake and warehouse (default: CHARGING_HOME, else .charging)",
    )
    home = parser.parse_args().home
    if not (home / "lake/raw").is_dir() or not (home / WAREHOUSE).is_file():
        print(
            f"error: {home} is not a home with a raw archive (lake/raw) and a DuckDB warehouse "
            f"({WAREHOUSE}); name one, or load one first with `charging-assets load`",
            file=sys.stderr,
        )
        return 2
    report = recompute(home, progress=lambda line: print(line, file=sys.stderr, flush=True))
    for differences in report.tables:
        print("\n".join(differences.lines()))
    print(report.summary)
    return 1 if report.difference_count else 0


if __name__ == "__main__":
    sys.exit(main())

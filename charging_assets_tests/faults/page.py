"""docs/reliability.md, from a run of the fault suite.

Belongs here: rendering for people. `python -m charging_assets_tests.faults.page` writes the page
from build/faults.json, which `make faults` leaves; a test fails when it is behind the suite.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from charging_assets_tests.faults.scenarios import AREAS, declared

RESULTS = Path("build/faults.json")
TARGET = Path("docs/reliability.md")

_HEAD = """# Reliability

What is done to the system in `make faults`, what must hold, and what was seen. Rendered from a run
of the suite by `python -m charging_assets_tests.faults.page`; not edited by hand. Real parts are
used where they run on one machine: processes that are killed with SIGKILL, sockets, full disks.
"""


def page(results: Sequence[dict[str, Any]], before: str = "") -> str:
    """The whole page, as Markdown: by area, then by name.

    A scenario of the suite that the run left out keeps its row of `before`.
    """
    rows = {**_rows(before), **{result["goal"]: _row(result) for result in results}}
    areas = {title: scenario.area for title, scenario in declared().items()}
    areas |= {result["goal"]: result["area"] for result in results}
    parts = [_HEAD]
    for area, heading in AREAS.items():
        of_area = [rows[title] for title in sorted(rows) if areas.get(title) == area]
        if of_area:
            head = "| fault | must hold | seen |\n|---|---|---|"
            parts.append("\n".join([f"## {heading}", "", head, *of_area, ""]))
    return "\n".join(parts)


def titles(text: str) -> list[str]:
    """The scenarios that a page lists."""
    return list(_rows(text))


def _row(result: dict[str, Any]) -> str:
    state = "" if result["met"] else "**does not hold** "
    seen = "; ".join(result["seen"]) or f"{_tests(result['tests']['passed'])} passed"
    return f"| {result['goal']} | {result['condition']} | {state}{seen} |"


def _tests(count: int) -> str:
    return "1 test" if count == 1 else f"{count} tests"


def _rows(text: str) -> dict[str, str]:
    rows = (line for line in text.splitlines() if line.count(" | ") == 2)
    found = {row.split(" | ")[0].removeprefix("| "): row for row in rows}
    return {title: row for title, row in found.items() if title != "fault"}


if __name__ == "__main__":
    of_run = json.loads(RESULTS.read_text(encoding="utf-8"))
    old = TARGET.read_text(encoding="utf-8") if TARGET.exists() else ""
    new = page(of_run, old)
    TARGET.write_text(new, encoding="utf-8")
    left = sorted(set(declared()) - {result["goal"] for result in of_run})
    if left:
        print("not in this run, their rows are those of an earlier one:", *left, sep="\n  ")
    if lacking := sorted(set(left) - set(titles(new))):
        sys.exit(f"these were in no run yet: {lacking}")

"""Render docs/reliability.md from a run of the fault suite.

`python -m charging_assets_tests.faults.page` writes the page from build/faults.json, the result of
`make faults`. A test fails if the page lacks a scenario.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from charging_assets_tests.faults.scenarios import AREAS, declared_scenarios

RESULTS = Path("build/faults.json")
TARGET = Path("docs/reliability.md")

_HEAD = """# Reliability

The faults that `make faults` injects, the required condition and the observed result. Rendered from
a run of the suite by `python -m charging_assets_tests.faults.page`; do not edit it. The faults are
real where one machine allows it: processes killed with SIGKILL, sockets, full disks.
"""


def page(results: Sequence[dict[str, Any]], before: str = "") -> str:
    """Render the page as Markdown, by area and title.

    A scenario that the run did not include keeps its row of `before`.
    """
    rows = {**_rows(before), **{result["goal"]: _row(result) for result in results}}
    areas = {title: scenario.area for title, scenario in declared_scenarios().items()}
    areas |= {result["goal"]: result["area"] for result in results}
    parts = [_HEAD]
    for area, heading in AREAS.items():
        area_rows = [rows[title] for title in sorted(rows) if areas.get(title) == area]
        if area_rows:
            head = "| fault | required | observed |\n|---|---|---|"
            parts.append("\n".join([f"## {heading}", "", head, *area_rows, ""]))
    return "\n".join(parts)


def titles(text: str) -> list[str]:
    """The titles of the scenarios on a page."""
    return list(_rows(text))


def _row(result: dict[str, Any]) -> str:
    state = "" if result["met"] else "**failed** "
    observed = "; ".join(result["seen"]) or f"{_tests(result['tests']['passed'])} passed"
    return f"| {result['goal']} | {result['condition']} | {state}{observed} |"


def _tests(count: int) -> str:
    return "1 test" if count == 1 else f"{count} tests"


def _rows(text: str) -> dict[str, str]:
    rows = (line for line in text.splitlines() if line.count(" | ") == 2)
    by_title = {row.split(" | ")[0].removeprefix("| "): row for row in rows}
    return {title: row for title, row in by_title.items() if title != "fault"}


if __name__ == "__main__":
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    old = TARGET.read_text(encoding="utf-8") if TARGET.exists() else ""
    new = page(results, old)
    TARGET.write_text(new, encoding="utf-8")
    missing = sorted(set(declared_scenarios()) - {result["goal"] for result in results})
    if missing:
        print("not in this run, their rows are unchanged:", *missing, sep="\n  ")
    if unknown := sorted(set(missing) - set(titles(new))):
        sys.exit(f"without a result in any run: {unknown}")

"""A run of the fault suite, collected into a file (`--fault-report`). A pytest plugin.

Belongs here: which scenario a test is part of, how it ended, what it saw. Does not belong here:
the scenarios (`scenarios`) or their page (`page`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from charging_assets_tests.faults.scenarios import Scenario, declared, scenario_of

_SCENARIO, _SEEN = "fault_scenario", "fault_seen"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-report", type=Path, help="write how each fault scenario ended here")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "fault(title, condition, area): the test is part of a scenario of the fault suite; it runs "
        "in `make faults`, and in `make test` too unless it is also marked `faults`",
    )
    config.pluginmanager.register(_Collected(config), "fault_report")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("fault"):
            try:
                scenario = scenario_of(mark.args, dict(mark.kwargs), item.nodeid)
            except ValueError as wrong:
                raise pytest.UsageError(str(wrong)) from None
            item.user_properties.append((_SCENARIO, scenario.title))


@pytest.fixture
def saw(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say on the page what was seen: short, and the same in every run (no clocks, no ports)."""
    return lambda words: request.node.user_properties.append((_SEEN, words))


class _Collected:
    """What the workers, or this process, reported of each scenario."""

    def __init__(self, config: pytest.Config) -> None:
        self._is_worker = hasattr(config, "workerinput")
        self._target: Path | None = config.getoption("--fault-report")
        self._results: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        titles = [told for name, told in report.user_properties if name == _SCENARIO]
        for title in titles:
            result = self._results.setdefault(
                str(title), {"passed": 0, "failed": 0, "skipped": 0, "seconds": 0.0, "seen": []}
            )
            result["seconds"] += report.duration
            is_outcome = report.when == "call" or report.outcome != "passed"
            if is_outcome:
                result[report.outcome] += 1
            if report.when == "teardown":
                seen = [str(told) for name, told in report.user_properties if name == _SEEN]
                result["seen"] += [words for words in seen if words not in result["seen"]]

    def pytest_sessionfinish(self) -> None:
        if self._is_worker or self._target is None:
            return
        scenarios = declared()
        told = [_result(scenarios[title], self._results[title]) for title in sorted(self._results)]
        text = json.dumps(told, indent=1, ensure_ascii=False) + "\n"
        self._target.write_text(text, encoding="utf-8")


def _result(scenario: Scenario, found: dict[str, Any]) -> dict[str, Any]:
    return {
        "goal": scenario.title,
        "met": found["passed"] > 0 and found["failed"] == 0,
        "area": scenario.area,
        "condition": scenario.condition,
        "seen": sorted(found["seen"]),
        "tests": {name: found[name] for name in ("passed", "failed", "skipped")},
        "seconds": round(found["seconds"], 1),
    }

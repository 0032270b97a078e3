"""A pytest plugin that writes the results of the fault suite to a file (`--fault-report`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from charging_assets_tests.faults.scenarios import Scenario, declared_scenarios, scenario_of

_SCENARIO, _OBSERVED = "fault_scenario", "fault_seen"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fault-report", type=Path, help="write the result of each fault scenario here"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "fault(title, condition, area): the test is part of a scenario of the fault suite; it runs "
        "in `make faults`, and in `make test` too unless it is also marked `faults`",
    )
    config.pluginmanager.register(_Collector(config), "fault_report")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("fault"):
            try:
                scenario = scenario_of(mark.args, dict(mark.kwargs), item.nodeid)
            except ValueError as error:
                raise pytest.UsageError(str(error)) from None
            item.user_properties.append((_SCENARIO, scenario.title))


@pytest.fixture
def report_observed(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Report a result for the page: short, and equal in every run (no times, no ports)."""
    return lambda text: request.node.user_properties.append((_OBSERVED, text))


class _Collector:
    """Collects the results of each scenario from the workers or this process."""

    def __init__(self, config: pytest.Config) -> None:
        self._is_worker = hasattr(config, "workerinput")
        self._target: Path | None = config.getoption("--fault-report")
        self._results: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        titles = [value for name, value in report.user_properties if name == _SCENARIO]
        for title in titles:
            result = self._results.setdefault(
                str(title), {"passed": 0, "failed": 0, "skipped": 0, "seconds": 0.0, "seen": []}
            )
            result["seconds"] += report.duration
            is_outcome = report.when == "call" or report.outcome != "passed"
            if is_outcome:
                result[report.outcome] += 1
            if report.when == "teardown":
                observed = [
                    str(value) for name, value in report.user_properties if name == _OBSERVED
                ]
                result["seen"] += [text for text in observed if text not in result["seen"]]

    def pytest_sessionfinish(self) -> None:
        if self._is_worker or self._target is None:
            return
        scenarios = declared_scenarios()
        results = [
            _result(scenarios[title], self._results[title]) for title in sorted(self._results)
        ]
        text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
        self._target.write_text(text, encoding="utf-8")


def _result(scenario: Scenario, counts: dict[str, Any]) -> dict[str, Any]:
    return {
        "goal": scenario.title,
        "met": counts["passed"] > 0 and counts["failed"] == 0,
        "area": scenario.area,
        "condition": scenario.condition,
        "seen": sorted(counts["seen"]),
        "tests": {name: counts[name] for name in ("passed", "failed", "skipped")},
        "seconds": round(counts["seconds"], 1),
    }

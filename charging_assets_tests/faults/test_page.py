"""The reliability page lists the scenarios of the suite and their results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from charging_assets_tests.faults.page import page, titles
from charging_assets_tests.faults.scenarios import (
    CONDITION,
    Scenario,
    declared_scenarios,
    merge,
    scenario_of,
)

ROOT = Path(__file__).resolve().parents[2]

SUITE = """
import pytest

@pytest.mark.fault("Ink runs out", "no word is lost", area="answers")
@pytest.mark.parametrize("n", [1, 2])
def test_ink(n, report_observed):
    report_observed("every word was there")

@pytest.mark.fault("Paper burns", area="storage")
def test_fire(report_observed):
    assert False

@pytest.mark.fault("Paper burns", area="storage")
def test_smoke():
    pass

@pytest.mark.fault("The clock stands", area="time")
def test_clock():
    pytest.skip("no clock")

def test_other():
    pass
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_report__has_each_scenario_of_a_run(tmp_path: Path, workers: str) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE, encoding="utf-8")
    plugin = tmp_path / "report_plugin.py"
    plugin.write_text(
        "from pathlib import Path\n"
        "from charging_assets_tests.faults import report, scenarios\n"
        "report.declared_scenarios = lambda: scenarios.declared_scenarios(Path(__file__).parent)\n"
        "from charging_assets_tests.faults.report import *\n",
        encoding="utf-8",
    )
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "report_plugin",
            "-n",
            workers,
            "--rootdir",
            ".",
            "--fault-report",
            "faults.json",
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{ROOT}:{tmp_path}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert "1 failed, 4 passed, 1 skipped" in result.stdout, result.stdout + result.stderr
    results = json.loads((tmp_path / "faults.json").read_text(encoding="utf-8"))
    assert {r["goal"]: r["met"] for r in results} == {
        "Ink runs out": True,
        "Paper burns": False,
        "The clock stands": False,
    }
    rendered = page(results)
    assert "| Ink runs out | no word is lost | every word was there |" in rendered
    assert f"| Paper burns | {CONDITION} | **failed** 1 test passed |" in rendered
    assert titles(rendered) == ["Ink runs out", "The clock stands", "Paper burns"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), {"area": "answers"}),
        (("Ink runs out",), {}),
        (("Ink runs out",), {"area": "kitchen"}),
        (("Ink runs out", "a", "b"), {"area": "answers"}),
        (("Ink runs out",), {"area": "answers", "wish": "x"}),
    ],
)
def test_scenario__if_incomplete_is_refused(
    arguments: tuple[object, ...], named: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match="here"):
        scenario_of(arguments, named, "here")


def test_scenario__takes_its_condition_from_one_of_its_tests() -> None:
    plain, stated = Scenario("x", "time"), Scenario("x", "time", "y")
    assert merge(plain, stated) == merge(stated, plain) == stated
    with pytest.raises(ValueError, match="two ways"):
        merge(stated, Scenario("x", "time", "z"))


def test_page__keeps_the_rows_of_scenarios_that_were_not_run() -> None:
    listed, unlisted = next(iter(declared_scenarios())), "Not of the suite"
    before = f"| fault | required | observed |\n| {listed} | a | b |\n| {unlisted} | a | b |\n"
    assert titles(page([], before)) == [listed]
    result = {
        "goal": listed,
        "area": declared_scenarios()[listed].area,
        "condition": "c",
        "met": True,
    }
    again = page([{**result, "seen": ["d"], "tests": {}}], before)
    assert f"| {listed} | c | d |" in again and "| a | b |" not in again


def test_page__lists_the_scenarios_of_the_suite() -> None:
    listed = titles((ROOT / "docs/reliability.md").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(declared_scenarios()), "run `make faults` and render the page"

"""The scenarios of the fault suite, read from the marks in the tests.

A test, a class of parameters (`pytest.param(…, marks=…)`) or a module (`pytestmark`) becomes part
of a scenario with

    @pytest.mark.fault("One place answers 500", area="answers", condition="others are archived")

Several tests may share a scenario by its title; one of them states the condition. All arguments
must be literals. `area` is a key of AREAS.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]

AREAS = {
    "answers": "Faults of an API",
    "time": "Clocks, outages and late data",
    "processes": "Processes that are killed or run concurrently",
    "storage": "Lake, disk and raw archive",
    "warehouse": "Redshift and S3",
    "security": "Security",
}
CONDITION = "nothing is lost or duplicated, the error is clear"


@dataclass(frozen=True)
class Scenario:
    """A fault and the condition that must hold under it."""

    title: str
    area: str
    condition: str = CONDITION


def declared_scenarios(folder: Path = TESTS) -> dict[str, Scenario]:
    """The scenarios of all tests, by title, read from their source."""
    scenarios: dict[str, Scenario] = {}
    for path in sorted(folder.rglob("test_*.py")):
        for call in _marks(path):
            scenario = scenario_of(*_literals(call, path))
            previous = scenarios.get(scenario.title)
            scenarios[scenario.title] = merge(previous, scenario) if previous else scenario
    return scenarios


def scenario_of(
    arguments: tuple[object, ...], named: dict[str, object], where: str = ""
) -> Scenario:
    """A scenario from the arguments of a mark; ValueError if they are invalid."""
    values = {**dict(zip(("title", "condition"), arguments, strict=False)), **named}
    unknown = set(values) - {"title", "area", "condition"}
    if len(arguments) > 2 or unknown or not all(isinstance(v, str) for v in values.values()):
        raise ValueError(f"{where}: fault(title, condition, area=…) requires texts, got {values}")
    if values.get("area") not in AREAS or not values.get("title"):
        raise ValueError(f"{where}: a fault needs a title and an area of {sorted(AREAS)}: {values}")
    return Scenario(
        str(values["title"]), str(values["area"]), str(values.get("condition") or CONDITION)
    )


def merge(one: Scenario, other: Scenario) -> Scenario:
    """Merge two declarations of a scenario; ValueError if they contradict each other."""
    stated = {scenario.condition for scenario in (one, other)} - {CONDITION}
    if one.area != other.area or len(stated) > 1:
        raise ValueError(f"{one.title!r} is declared in two ways: {one} and {other}")
    return Scenario(one.title, one.area, *stated)


def _marks(path: Path) -> Iterator[ast.Call]:
    source = path.read_text(encoding="utf-8")
    if "mark.fault(" not in source:
        return
    for node in ast.walk(ast.parse(source)):
        is_mark = isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault"
        if is_mark:
            assert isinstance(node, ast.Call)
            yield node


def _literals(call: ast.Call, path: Path) -> tuple[tuple[object, ...], dict[str, object], str]:
    where = f"{path.name}:{call.lineno}"
    try:
        arguments = tuple(ast.literal_eval(argument) for argument in call.args)
        named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except ValueError:
        raise ValueError(f"{where}: the arguments of a fault must be literals") from None
    return arguments, named, where

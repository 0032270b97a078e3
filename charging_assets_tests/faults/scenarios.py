"""The scenarios of the fault suite, as tests declare them.

Belongs here: what `@pytest.mark.fault` takes, and which scenarios the tests' source declares. Does
not belong here: how a run of them ended (`report`), or its page (`page`).

A test, a class of parameters (`pytest.param(…, marks=…)`) or a module (`pytestmark`) is part of a
scenario by

    @pytest.mark.fault("One place answers 500", area="answers", condition="the others are kept")

Several tests may share a scenario: the same words name it, and one of them gives the condition.
All arguments are literals. `area` is a key of AREAS.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]

AREAS = {
    "answers": "What an API can do",
    "time": "Clocks, outages and late data",
    "processes": "Processes that die or meet",
    "storage": "Lake, disk and raw archive",
    "warehouse": "Redshift and S3",
    "security": "What must not be possible",
}
CONDITION = "nothing is lost, nothing is doubled, the error is clear"


@dataclass(frozen=True)
class Scenario:
    """A fault and what must hold under it."""

    title: str
    area: str
    condition: str = CONDITION


def declared(folder: Path = TESTS) -> dict[str, Scenario]:
    """The scenarios of all tests, by title, read from their source."""
    found: dict[str, Scenario] = {}
    for path in sorted(folder.rglob("test_*.py")):
        for call in _marks(path):
            scenario = scenario_of(*_literals(call, path))
            known = found.get(scenario.title)
            found[scenario.title] = merged(known, scenario) if known else scenario
    return found


def scenario_of(
    arguments: tuple[object, ...], named: dict[str, object], where: str = ""
) -> Scenario:
    """A scenario from a mark's arguments; ValueError says what is wrong with them."""
    values = {**dict(zip(("title", "condition"), arguments, strict=False)), **named}
    unknown = set(values) - {"title", "area", "condition"}
    if len(arguments) > 2 or unknown or not all(isinstance(v, str) for v in values.values()):
        raise ValueError(f"{where}: fault(title, condition, area=…) takes texts, got {values}")
    if values.get("area") not in AREAS or not values.get("title"):
        raise ValueError(f"{where}: a fault has a title and an area of {sorted(AREAS)}: {values}")
    return Scenario(
        str(values["title"]), str(values["area"]), str(values.get("condition") or CONDITION)
    )


def merged(one: Scenario, other: Scenario) -> Scenario:
    """The two declarations of a scenario as one; ValueError where they contradict each other."""
    stated = {each.condition for each in (one, other)} - {CONDITION}
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
        named = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
    except ValueError:
        raise ValueError(f"{where}: a fault's arguments are literals") from None
    return arguments, named, where

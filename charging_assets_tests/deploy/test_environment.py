"""The environment reference: every variable that the code reads, and none that it does not."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from charging_assets_tests.deploy.files import DEPLOY, ROOT, VARIANTS, read_yaml, variables

PAGE = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
NAME = re.compile(r"(?:AWS|CHARGING|DAGSTER|REDSHIFT)_[A-Z0-9_]+")


TABLES = ("Of the code", "Of S3 and Redshift", "Of the settings", "Of others")


def _table(title: str) -> set[str]:
    """The variables of a table under a heading."""
    section = re.split(r"^#+ ", PAGE.split(f"### {title}\n")[1], flags=re.MULTILINE)[0]
    rows = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([A-Z0-9_]+)`", row)}


def _read_by(path: Path) -> set[str]:
    """Names of variables that stand in a module as such, docstrings left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {text for text in texts if isinstance(text, str) and NAME.fullmatch(text)}


def _read_by_code() -> set[str]:
    return set().union(*map(_read_by, ROOT.glob("charging_assets/**/*.py")))


def _read_by_settings() -> set[str]:
    files = [f"{variant}/dagster.yaml" for variant in VARIANTS]
    return set().union(*(variables(read_yaml(name)) for name in [*files, "workspace.yaml"]))


def test_reference__code_is_searched_and_found():
    assert {"CHARGING_DEPLOYMENT", "CHARGING_HOME", "CHARGING_FEEDS"} <= _read_by_code()


def test_reference__has_every_variable_that_the_code_reads():
    documented = set().union(*map(_table, TABLES))
    assert _read_by_code() - documented == set(), "docs/deployment.md, Environment, lacks them"


def test_reference__has_no_variable_that_the_code_does_not_read():
    own = _table("Of the code") | _table("Of S3 and Redshift")
    assert own - _read_by_code() == set()


def test_reference__has_what_dagster_yaml_and_workspace_take():
    assert _table("Of the settings") == _read_by_settings()


@pytest.mark.parametrize(
    "name",
    ["environment.example", "compose.yaml", "ecs/task-definition.json",
     "kubernetes/charging-assets.yaml", *(f"systemd/charging-assets-{part}.service" for part in
     ("code-location", "webserver", "daemon"))],
)  # fmt: skip
def test_reference__deployment_files_set_only_what_it_knows(name):
    known = set().union(*map(_table, TABLES))
    text = (DEPLOY / name).read_text(encoding="utf-8")
    assert set(NAME.findall(text)) - known == set()

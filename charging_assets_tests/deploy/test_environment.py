"""The environment reference lists exactly the variables that the code reads."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from charging_assets import settings_tables
from charging_assets.allowed_hosts import host_warnings
from charging_assets.settings import Settings
from charging_assets_tests.deploy.files import (
    DEPLOY,
    ROOT,
    VARIANTS,
    read_documents,
    read_json,
    read_yaml,
    variables,
)

PAGE = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
NAME = re.compile(r"(?:AWS|CHARGING|DAGSTER|REDSHIFT)_[A-Z0-9_]+")


TABLES = ("Application", "S3 and Redshift", "Dagster settings", "Other programs")


def _table(title: str) -> set[str]:
    """The variables of a table under a heading."""
    section = re.split(r"^#+ ", PAGE.split(f"### {title}\n")[1], flags=re.MULTILINE)[0]
    rows = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([A-Z0-9_]+)`", row)}


def _read_by(path: Path) -> set[str]:
    """Variables in string constants of a module, without docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {text for text in texts if isinstance(text, str) and NAME.fullmatch(text)}


def _read_by_code() -> set[str]:
    return set().union(*map(_read_by, ROOT.glob("charging_assets/**/*.py")))


def _read_by_settings() -> set[str]:
    files = [f"{variant}/dagster.yaml" for variant in VARIANTS]
    return set().union(*(variables(read_yaml(name)) for name in [*files, "workspace.yaml"]))


def test_reference__tables_are_those_of_the_settings():
    assert settings_tables.pages()[ROOT / "docs/deployment.md"] == PAGE
    documented = _table("Application") | _table("S3 and Redshift")
    assert documented == {field.alias for field in Settings.model_fields.values()}


def test_reference__code_is_searched():
    assert {"CHARGING_DEPLOYMENT", "CHARGING_HOME", "CHARGING_FEEDS"} <= _read_by_code()


def test_reference__has_every_variable_that_the_code_reads():
    documented = set().union(*map(_table, TABLES))
    assert _read_by_code() - documented == set(), "docs/deployment.md, Environment, lacks them"


def test_reference__has_no_variable_that_the_code_does_not_read():
    documented = _table("Application") | _table("S3 and Redshift")
    assert documented - _read_by_code() == set()


def test_reference__has_the_variables_of_dagster_yaml_and_workspace():
    assert _table("Dagster settings") == _read_by_settings()


def _hosts_by_service() -> dict[str, str | None]:
    """CHARGING_ALLOWED_HOSTS of each service of each deployment; None if it is not set."""
    (example,) = re.findall(r"^CHARGING_ALLOWED_HOSTS=(.*)$", _text("environment.example"), re.M)
    hosts: dict[str, str | None] = {}
    for name, service in read_yaml("compose.yaml")["services"].items():
        if name != "postgres":
            hosts[f"compose {name}"] = example if service.get("env_file") == [".env"] else None
    for unit in sorted((DEPLOY / "systemd").glob("*.service")):
        reads = "EnvironmentFile=/etc/charging-assets/environment\n" in unit.read_text("utf-8")
        hosts[f"systemd {unit.stem}"] = example if reads else None
    for container in read_json("ecs/task-definition.json")["containerDefinitions"]:
        values = {entry["name"]: entry["value"] for entry in container["environment"]}
        hosts[f"ecs {container['name']}"] = values.get("CHARGING_ALLOWED_HOSTS")
    manifests = read_documents("kubernetes/charging-assets.yaml")
    maps = {
        manifest["metadata"]["name"]: manifest["data"]
        for manifest in manifests
        if "data" in manifest
    }
    for manifest in manifests:
        if manifest["kind"] != "Deployment":
            continue
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        names = (source.get("configMapRef", {}).get("name") for source in container["envFrom"])
        values = {key: value for name in names if name for key, value in maps[name].items()}
        hosts[f"kubernetes {container['name']}"] = values.get("CHARGING_ALLOWED_HOSTS")
    return hosts


def _text(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def test_deployments__every_service_is_given_the_host_names_of_the_web_server():
    """Also those of `doctor`, which reports them and runs in any container."""
    hosts = _hosts_by_service()
    assert len(hosts) == 12
    assert {name for name, value in hosts.items() if value is None} == set()


def test_deployments__host_names_that_they_set_are_the_example_that_doctor_reports():
    for value in filter(None, _hosts_by_service().values()):
        (warning,) = host_warnings({"CHARGING_ALLOWED_HOSTS": value})
        assert "is reserved for examples" in warning


@pytest.mark.parametrize(
    ("page", "heading"),
    [
        ("deployment.md", "## One host: Compose"),
        ("deployment.md", "## One host: systemd"),
        ("deployment.md", "## AWS"),
        ("deployment.md", "## Kubernetes"),
        ("operations.md", "## Security"),
        ("dashboard.md", "# Dashboard"),
        ("access.md", "# Giving access to colleagues"),
    ],
)
def test_docs__sections_about_host_names_name_the_variable(page: str, heading: str):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    level = heading.partition(" ")[0]
    section = re.split(rf"^{level} ", text.split(f"{heading}\n", 1)[1], flags=re.MULTILINE)[0]
    assert "CHARGING_ALLOWED_HOSTS" in section


@pytest.mark.parametrize(
    "name",
    ["environment.example", "compose.yaml", "ecs/task-definition.json",
     "kubernetes/charging-assets.yaml", *(f"systemd/charging-assets-{part}.service" for part in
     ("code-location", "webserver", "daemon"))],
)  # fmt: skip
def test_reference__deployment_files_set_only_documented_variables(name):
    documented = set().union(*map(_table, TABLES))
    text = (DEPLOY / name).read_text(encoding="utf-8")
    assert set(NAME.findall(text)) - documented == set()

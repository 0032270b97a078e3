"""The wheel with and without its extras: what lacks one names it, and all else works."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import pytest

from charging_assets_tests.wheels import ROOT, Environment, build_wheel

pytestmark = pytest.mark.slow

AWS = {"CHARGING_DEPLOYMENT": "aws"}
REPORT = ["dagster", "asset", "materialize", "-m", "charging_assets.definitions"]
REPORT += ["--select", "utilisation_report", "--partition", "2026-01-12"]
CONNECT = ["-c", "import charging_assets; charging_assets.connect()"]


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def without_extras(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("environment") / "none", wheel, [])


@pytest.fixture
def home(loaded_home: Path, tmp_path: Path) -> Path:
    shutil.copytree(loaded_home, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def on_postgres(tmp_path: Path) -> dict[str, str]:
    """The environment of a Dagster on PostgreSQL, as deploy/host has it; no server is there."""
    folder = tmp_path / "dagster"
    folder.mkdir()
    shutil.copy(ROOT / "deploy/host/dagster.yaml", folder)
    names = ("HOST", "DB", "USER", "PASSWORD")
    return {
        "DAGSTER_HOME": str(folder),
        "DAGSTER_POSTGRES_PORT": _free_port(),
        "CHARGING_DAGSTER_FILES": str(folder),
        **{f"DAGSTER_POSTGRES_{name}": "127.0.0.1" for name in names},
    }


@pytest.mark.parametrize(
    ("command", "variables", "extra"),
    [
        (["charging-assets", "dashboard", "--port", "PORT"], {}, "dashboard"),
        (["charging-assets", "ui", "--port", "PORT"], {}, "ui"),
        (["charging-assets", "live", "--port", "PORT"], {}, "ui"),
        (["-m", "charging_assets.webserver", "--version"], {}, "ui"),
        (REPORT, {}, "dashboard"),
        (["charging-assets", "doctor"], AWS, "aws"),
        (["charging-assets", "status"], AWS, "aws"),
        (CONNECT, AWS, "aws"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_without_extras__the_extra_and_the_command_are_named(
    without_extras, wheel, home, command, variables, extra
):
    arguments = [_free_port() if word == "PORT" else word for word in command]
    dagster_home = {"DAGSTER_HOME": str(home / "dagster")}
    ended = without_extras.run(*arguments, home=home, **dagster_home, **variables)
    output = ended.stdout + ended.stderr
    assert ended.returncode != 0
    assert f"needs the extra `{extra}`" in output
    assert f"{without_extras.python} -m pip install '{wheel}[{extra}]'" in output.replace("\n", " ")
    # Dagster prints the stack of a failed step, and Python that of an exception.
    if command not in (REPORT, CONNECT):
        assert "Traceback" not in output
    assert "ModuleNotFoundError" not in output
    assert "NoSuchModule" not in output


@pytest.mark.parametrize("arguments", [["doctor"], ["load", "--from", "2026-01-12T00"]])
def test_without_extras__settings_with_postgres_name_production(
    without_extras, home, on_postgres, arguments
):
    ended = without_extras.run("charging-assets", *arguments, home=home, **on_postgres)
    assert ended.returncode != 0
    output = ended.stdout + ended.stderr
    assert "dagster.yaml needs the extra `production` (dagster_postgres is missing)" in output
    assert "Traceback" not in output


def test_without_extras__all_else_works(without_extras, tmp_path):
    home = tmp_path / "home"
    for arguments in (
        ["simulate", "--hours", "1", "--scale", "0.02"],
        ["load"],
        ["status"],
        ["compact"],
        ["rebuild", "--workers", "0"],
        ["doctor"],
    ):
        ended = without_extras.run("charging-assets", *arguments, home=home)
        assert ended.returncode == 0, f"{arguments}: {ended.stdout}{ended.stderr}"
    cells = json.loads((ROOT / "docs/example.ipynb").read_text("utf-8"))["cells"]
    code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    ended = without_extras.run("-c", code, home=home)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("variables", [{}, {"CHARGING_DEPLOYMENT": "moon"}], ids=["good", "wrong"])
def test_wheel__is_a_code_location_for_the_commands_of_dagster(without_extras, tmp_path, variables):
    home = tmp_path / "home"
    for command in (["definitions", "validate"], ["asset", "list"]):
        ended = without_extras.run(
            "dagster", *command, "-m", "charging_assets.definitions", home=home, **variables
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert not variables or "CHARGING_DEPLOYMENT names no deployment" in (
            ended.stdout + ended.stderr
        )
    assert "fact_status" in ended.stdout
    assert not home.exists()


@pytest.mark.parametrize(
    ("extra", "command", "variables"),
    [
        ("ui", ["-m", "charging_assets.webserver", "--version"], {}),
        ("dashboard", REPORT, {}),
        ("aws", ["charging-assets", "doctor"], AWS),
    ],
)
def test_with_an_extra__nothing_more_is_missing(wheel, home, tmp_path, extra, command, variables):
    environment = Environment(tmp_path / extra, wheel, [extra])
    dagster_home = {"DAGSTER_HOME": str(home / "dagster")}
    ended = environment.run(*command, home=home, **dagster_home, **variables)
    output = ended.stdout + ended.stderr
    assert "needs the extra" not in output
    assert "Traceback" not in output
    if extra == "aws":
        assert "CHARGING_REDSHIFT_HOST is not set" in output.replace("\n", " ")
    else:
        assert ended.returncode == 0, output

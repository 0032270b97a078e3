"""The systemd units: understood by systemd whole, restarting, hardened, local."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from charging_assets_tests.deploy.files import DEPLOY, read_yaml, variables

UNITS = sorted((DEPLOY / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
by_name = pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze here"
)
# 0 is safe, 10 unsafe; most services of systemd have more than 9.
MAX_EXPOSURE = 2.0


def _settings(unit: Path) -> list[tuple[str, str]]:
    text = unit.read_text(encoding="utf-8").replace("\\\n", " ")
    return re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)


def _verify(folder: Path, change=lambda text: text) -> str:
    """The output of `systemd-analyze verify` for the units, with the programs replaced."""
    written = []
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8")
        text = re.sub(r"(?<=ExecStart=)/opt/charging-assets/bin/[a-z-]+", "/bin/true", text)
        (folder / unit.name).write_text(change(text), encoding="utf-8")
        written.append(folder / unit.name)
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *written], capture_output=True, text=True
    )
    return result.stderr + result.stdout


@needs_systemd
def test_units__are_valid_for_systemd(tmp_path):
    assert _verify(tmp_path) == ""


@needs_systemd
def test_units__with_an_unknown_key_are_invalid(tmp_path):
    output = _verify(tmp_path, lambda text: text.replace("PrivateTmp", "PrivateTemp"))
    assert "Unknown key" in output


@needs_systemd
@by_name
def test_units__are_hardened(unit):
    result = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True,
        text=True,
    )
    exposure = re.search(r"exposure level for \S+: ([\d.]+)", result.stdout)
    assert exposure, result.stderr
    assert float(exposure[1]) <= MAX_EXPOSURE


@by_name
def test_units__restart_however_often_they_fail(unit):
    settings = dict(_settings(unit))
    assert settings["Restart"] == "always"
    assert settings["StartLimitIntervalSec"] == "0"
    assert settings["User"] == "charging-assets"
    assert settings["WantedBy"] == "charging-assets.target"


@by_name
def test_units__listen_on_this_host_only(unit):
    command = dict(_settings(unit))["ExecStart"]
    hosts = re.findall(r"--host (\S+)", command)
    assert hosts == ([] if "daemon" in unit.stem else ["127.0.0.1"])


@by_name
def test_units__set_the_variables_that_dagster_needs(unit):
    required = variables(read_yaml("host/dagster.yaml")) | variables(read_yaml("workspace.yaml"))
    set_in_unit = {value.split("=")[0] for key, value in _settings(unit) if key == "Environment"}
    example = (DEPLOY / "environment.example").read_text(encoding="utf-8")
    assert required <= set_in_unit | set(re.findall(r"^(\w+)=", example, re.M))


def test_target__starts_every_service():
    target = dict(_settings(DEPLOY / "systemd/charging-assets.target"))
    assert set(target["Wants"].split()) == {unit.name for unit in SERVICES}
    assert target["WantedBy"] == "multi-user.target"

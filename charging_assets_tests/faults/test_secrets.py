"""Sentinel secrets in the environment of real commands: they appear nowhere afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.faults

SENTINELS = {
    "AWS_SECRET_ACCESS_KEY": "sentinel-5c1a9e-aws",
    "AWS_SESSION_TOKEN": "sentinel-5c1a9e-session",
    "REDSHIFT_PASSWORD": "sentinel-5c1a9e-redshift",
    "CHARGING_ALERT_WEBHOOK": "https://127.0.0.1:9/sentinel-5c1a9e-hook",
    "CHARGING_ALERT_SMTP_PASSWORD": "sentinel-5c1a9e-smtp",
    "HTTPS_PROXY": "http://user:sentinel-5c1a9e-proxy@127.0.0.1:9",
}
COMMANDS = (
    ("simulate", "--hours", "1", "--scale", "0.02"),
    ("load",),
    ("status",),
    ("doctor",),
    ("import", "nowhere.json"),
)


@pytest.mark.fault(
    "Sentinel secrets in the environment",
    "they appear nowhere: not in output, logs, run history, lake or warehouse",
    area="security",
)
def test_secrets__appear_nowhere(tmp_path: Path, report_observed: Callable[[str], None]) -> None:
    home = tmp_path / "home"
    environment = {**os.environ, **SENTINELS, "CHARGING_HOME": str(home)}
    environment.pop("DAGSTER_HOME", None)
    output = ""
    for command in COMMANDS:
        result = subprocess.run(
            [sys.executable, "-m", "charging_assets.cli", *command],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
        )
        output += result.stdout + result.stderr
    assert "sentinel" not in output
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("charging.duckdb" in str(path) for path in files)
    assert any("/dagster/" in str(path) for path in files)
    leaking = [path for path in files if b"sentinel-5c1a9e" in path.read_bytes()]
    assert leaking == []
    report_observed(f"{len(COMMANDS)} commands, their output and every file they wrote")

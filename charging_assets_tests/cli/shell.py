"""Commands in a home of their own: `main([...])` over a lake, a DuckDB file and a Dagster home.

`conftest` creates the homes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from charging_assets import deployments
from charging_assets.cli import main
from charging_assets.hours import Hour

SCALE = "0.02"
FIRST, SECOND = Hour.parse("2026-01-12T00"), Hour.parse("2026-01-12T01")


class Shell:
    """Runs commands in a home and stores their output."""

    def __init__(self, home: Path, captured: pytest.CaptureFixture[str]) -> None:
        self.home, self._captured = home, captured
        self.out = self.err = ""

    def run(self, *arguments: str) -> int:
        self._captured.readouterr()
        code = main(arguments)
        self.out, self.err = self._captured.readouterr()
        assert "Traceback" not in self.out + self.err
        return code

    def json(self, *arguments: str) -> Any:
        self.run(*arguments, "--json")
        return json.loads(self.out)

    @property
    def storage(self) -> deployments.Storage:
        return deployments.storage()


def in_home(home: Path, patch: pytest.MonkeyPatch) -> None:
    for name in (
        "CHARGING_DEPLOYMENT",
        "CHARGING_FEEDS",
        "CHARGING_LIVE",
        "DAGSTER_HOME",
        "DAGSTER_EVENT_BATCH_SIZE",
        "PYTHONSAFEPATH",
    ):
        # Set before it is unset, so that what a command sets is undone.
        patch.setenv(name, "")
        patch.delenv(name)
    patch.setenv("CHARGING_HOME", str(home))
    patch.setenv("COLUMNS", "100")


def in_a_process(home: Path, code: str) -> str:
    """Output of code in a separate process with a home."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={"CHARGING_HOME": str(home), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return done.stdout


def states(findings: list[dict[str, str]]) -> dict[str, str]:
    return {finding["check"]: finding["state"] for finding in findings}

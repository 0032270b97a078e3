"""A home with two simulated hours, loaded by the commands; one for all processes of a test run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from charging_assets_tests import snippets
from charging_assets_tests.built_once import built_once
from charging_assets_tests.cli.shell import SCALE

_COMMANDS = (["simulate", "--hours", "2", "--scale", SCALE], ["load"])


def build_loaded_home(factory: pytest.TempPathFactory) -> Path:
    """The home, to be copied by tests that write."""

    def build(folder: Path) -> None:
        for arguments in _COMMANDS:
            subprocess.run(
                [Path(sys.executable).parent / "charging-assets", *arguments],
                env=snippets.environment(folder),
                check=True,
                capture_output=True,
                timeout=900,
            )

    return built_once(factory, "loaded_home", build) / ".charging"


@pytest.fixture(scope="session")
def loaded_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_loaded_home(tmp_path_factory)

"""A home with two simulated hours, loaded by the commands; one for all processes of a test run."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from charging_assets_tests import snippets

_COMMANDS = (["simulate", "--hours", "2", "--scale", "0.03"], ["load"])


@pytest.fixture(scope="session")
def loaded_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder, to be copied by tests that write."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    target = folder / "loaded_home"
    target.mkdir(exist_ok=True)
    with (target / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (target / "done").exists():
            for arguments in _COMMANDS:
                subprocess.run(
                    [Path(sys.executable).parent / "charging-assets", *arguments],
                    env=snippets.environment(target),
                    check=True,
                    capture_output=True,
                    timeout=900,
                )
            (target / "done").touch()
    return target / ".charging"

"""Homes: one without anything, one with two hours that were simulated and loaded."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from charging_assets_tests.cli.shell import Shell, in_home
from charging_assets_tests.loaded_home import build_loaded_home


@pytest.fixture(scope="session")
def first_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two simulated hours, loaded by the commands, for reading."""
    return build_loaded_home(tmp_path_factory)


@pytest.fixture
def loaded_home(first_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of it for one test, which may change it."""
    return shutil.copytree(first_home, tmp_path_factory.mktemp("copied") / "home")


@pytest.fixture
def loaded(
    loaded_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    in_home(loaded_home, monkeypatch)
    return Shell(loaded_home, capsys)


@pytest.fixture
def empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    in_home(tmp_path, monkeypatch)
    return Shell(tmp_path, capsys)


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines that this process would have become; the home's lock is let go."""
    lines: list[list[str]] = []

    def become(_program: str, line: list[str]) -> None:
        lines.append(line)
        os.close(int(line[line.index("--lock") + 1]))

    monkeypatch.setattr(signal, "signal", lambda _number, _handler: None)
    monkeypatch.setattr(os, "execv", become)
    return lines

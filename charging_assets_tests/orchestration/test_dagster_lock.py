"""The lock of a Dagster home: held by processes, not by files or process ids."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from charging_assets.orchestration import dagster_lock

_HOLD = """
import sys, time
from pathlib import Path
from charging_assets.orchestration import dagster_lock
dagster_lock.lock(Path(sys.argv[1]), "charging-assets live --port 3000", "http://127.0.0.1:3000")
print("locked", flush=True)
time.sleep(600)
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    return process


def test_lock__names_the_process_that_holds_it(tmp_path: Path) -> None:
    first = hold(tmp_path)
    try:
        with pytest.raises(dagster_lock.DagsterRunning) as refusal:
            dagster_lock.lock(tmp_path, "charging-assets ui", "http://127.0.0.1:3001")
    finally:
        first.kill()
        first.wait()
    for part in (f"process {first.pid}", "live --port 3000", "http://127.0.0.1:3000", "kill "):
        assert part in str(refusal.value)


def test_lock__zombie_holder_does_not_block(tmp_path: Path) -> None:
    first = hold(tmp_path)
    first.kill()
    try:
        began = time.monotonic()
        os.close(dagster_lock.lock(tmp_path, "ui", "here"))
        assert time.monotonic() - began < 10
    finally:
        first.wait()


@pytest.mark.parametrize(
    "left",
    ["", "{", "[1]", json.dumps({"pid": os.getpid()})],
    # Workers must collect the same names.
    ids=["empty", "cut off", "list", "own process"],
)
def test_lock__stale_file_does_not_block(tmp_path: Path, left: str) -> None:
    (tmp_path / dagster_lock.FILE).write_text(left)
    os.close(dagster_lock.lock(tmp_path, "ui", "here"))
    assert json.loads((tmp_path / dagster_lock.FILE).read_text())["pid"] == os.getpid()


def test_lock__lasts_until_the_last_child_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dagster_lock, "_ENDING_S", 0.5)
    code = f"""
import subprocess, sys
from pathlib import Path
from charging_assets.orchestration import dagster_lock
fd = dagster_lock.lock(Path({str(tmp_path)!r}), "ui", "here")
heir = subprocess.Popen(["sleep", "600"], pass_fds=[fd], stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL)
print(heir.pid)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heir = int(done.stdout)
    try:
        with pytest.raises(dagster_lock.DagsterRunning, match="services that it started"):
            dagster_lock.lock(tmp_path, "ui", "here")
    finally:
        os.kill(heir, 9)
    monkeypatch.setattr(dagster_lock, "_ENDING_S", 10)
    os.close(dagster_lock.lock(tmp_path, "ui", "here"))


_AS_ANOTHER_USER = """
import os, sys
from pathlib import Path
from charging_assets.orchestration import dagster_lock
dagster_lock._ENDING_S = dagster_lock._DYING_S = 0.2
os.seteuid(65534)
try:
    dagster_lock.lock(Path(sys.argv[1]), "ui", "here")
except Exception as error:
    print(type(error).__name__, error)
else:
    print("locked")
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user of the machine can reach and read."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def as_another_user(folder: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", _AS_ANOTHER_USER, str(folder)],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip


@pytest.mark.parametrize("folder_mode", [0o755, 0o777, 0o1777])
@pytest.mark.parametrize("umask", [0o022, 0o002, 0o000])
def test_lock__of_another_user_is_respected(shared: Path, folder_mode: int, umask: int) -> None:
    shared.chmod(folder_mode)
    former = os.umask(umask)
    try:
        descriptor = dagster_lock.lock(shared, "live", "there")
    finally:
        os.umask(former)
    assert stat.S_IMODE((shared / dagster_lock.FILE).stat().st_mode) == 0o666 & ~umask
    try:
        assert as_another_user(shared).startswith("DagsterRunning live ")
    finally:
        os.close(descriptor)
    assert as_another_user(shared) == "locked"


def test_lock__file_of_another_user_that_cannot_be_read_is_an_error(shared: Path) -> None:
    (shared / dagster_lock.FILE).touch(0o600)
    refusal = as_another_user(shared)
    assert refusal.startswith("DagsterHomeError")
    assert "chmod a+r" in refusal


def test_lock__folder_without_a_file_that_cannot_be_made_is_locked_itself(shared: Path) -> None:
    assert as_another_user(shared) == "locked"
    assert list(shared.iterdir()) == []

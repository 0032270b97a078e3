"""Dagster's services under one supervisor: real ones, on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from charging_assets.orchestration import dagster_lock
from charging_assets_tests.cli.test_ports import free_port
from charging_assets_tests.test_webserver import stalled_request

pytestmark = pytest.mark.faults
_TIMEOUT_S = 240


def start(home: Path, port: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "CHARGING_HOME": str(home), "DAGSTER_HOME": ""}
    script = Path(sys.executable).parent / "charging-assets"
    return subprocess.Popen(
        [script, "ui", "--port", str(port)], env=environment, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=(home / "log").open("ab"),
    )  # fmt: skip


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def services(supervisor: int) -> dict[str, int]:
    """Process ids of a supervisor's services by their module."""
    folders = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
            line = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if int(parent) == supervisor and "service" in line:
            folders[line[line.index("service") + 2]] = int(folder.name)
    return folders


def web_port(home: Path) -> int:
    """The port of the home's Dagster, as its lock names it."""
    holder = json.loads((home / "dagster" / dagster_lock.FILE).read_text())
    return int(holder["address"].rpartition(":")[2])


def is_locked(home: Path) -> bool:
    try:
        os.close(dagster_lock.lock(home / "dagster", "test", "here"))
    except dagster_lock.DagsterRunning:
        return True
    return False


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A Dagster whose web server answers."""
    port = free_port()
    process = start(tmp_path, port)
    try:
        wait_until(lambda: accepts(port) or process.poll() is not None, "the UI does not answer")
        assert process.poll() is None, (tmp_path / "log").read_text()
        yield process, tmp_path
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_ui__second_on_a_home_is_refused_until_the_first_is_gone(
    running: tuple[subprocess.Popen[bytes], Path],
) -> None:
    first, home = running
    second = start(home, free_port())
    assert second.wait(_TIMEOUT_S) == 2
    assert f"process {first.pid}" in (home / "log").read_text()
    assert first.poll() is None
    daemon = services(first.pid)["dagster._daemon"]
    with stalled_request(web_port(home)):
        time.sleep(1)  # the request has reached the application
        first.kill()
        assert not is_locked(home), "services of a killed supervisor still run"
    assert not Path(f"/proc/{daemon}").exists()


def test_run_service__that_ignores_the_end_of_its_supervisor_is_ended(tmp_path: Path) -> None:
    (tmp_path / "stubborn.py").write_text(
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    lifeline, supervisor_end = os.pipe()
    service = subprocess.Popen(
        [sys.executable, "-m", "charging_assets.cli.services", "service", str(lifeline),
         "stubborn"],
        env={**os.environ, "PYTHONPATH": ":".join([str(tmp_path), *sys.path])},
        pass_fds=[lifeline], stdout=subprocess.PIPE,
    )  # fmt: skip
    os.close(lifeline)
    try:
        assert service.stdout is not None
        assert service.stdout.readline() == b"ready\n"
        os.close(supervisor_end)
        assert service.wait(40) == 143
    finally:
        service.kill()
        service.wait()


def test_ui__service_that_dies_ends_the_others_and_the_command(
    running: tuple[subprocess.Popen[bytes], Path],
) -> None:
    process, home = running
    os.kill(services(process.pid)["charging_assets.webserver"], signal.SIGKILL)
    assert process.wait(_TIMEOUT_S) == 1
    assert "error: Dagster's web server stopped with exit code -9" in (home / "log").read_text()
    assert not is_locked(home)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_supervisor__that_gets_a_signal__exits_with_its_code(
    signum: signal.Signals, tmp_path: Path
) -> None:
    """The signal comes while the code server starts: services are then ended likewise."""
    (tmp_path / "dagster").mkdir()
    lock = dagster_lock.lock(tmp_path / "dagster", "test", "here")
    supervisor = subprocess.Popen(
        [sys.executable, "-P", "-m", "charging_assets.cli.services", "supervise",
         "--host", "127.0.0.1", "--port", str(free_port()), "--lock", str(lock)],
        env={**os.environ, "CHARGING_HOME": str(tmp_path),
             "DAGSTER_HOME": str(tmp_path / "dagster")},
        pass_fds=[lock], stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(lock)
    try:
        wait_until(lambda: bool(services(supervisor.pid)), "no service was started")
        supervisor.send_signal(signum)
        _, err = supervisor.communicate(timeout=_TIMEOUT_S)
    finally:
        supervisor.kill()
    assert supervisor.returncode == 128 + signum
    assert "interrupted; what was done so far stays" in err
    assert not is_locked(tmp_path)


def test_ui__that_is_terminated__exits_with_143(
    running: tuple[subprocess.Popen[bytes], Path],
) -> None:
    process, home = running
    process.terminate()
    assert process.wait(_TIMEOUT_S) == 143
    assert not is_locked(home)


def test_supervisor__port_taken_after_the_check_leaves_no_daemon(tmp_path: Path) -> None:
    (tmp_path / "dagster").mkdir()
    lock = dagster_lock.lock(tmp_path / "dagster", "test", "here")
    environment = {
        **os.environ, "CHARGING_HOME": str(tmp_path), "DAGSTER_HOME": str(tmp_path / "dagster"),
    }  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-P", "-m", "charging_assets.cli.services", "supervise",
             "--host", "127.0.0.1", "--port", str(port), "--lock", str(lock)],
            env=environment, pass_fds=[lock], capture_output=True, text=True, timeout=_TIMEOUT_S,
        )  # fmt: skip
    os.close(lock)
    assert done.returncode == 2
    assert f"error: port {port} of 127.0.0.1 is in use; choose another (--port)" in done.stderr
    assert not is_locked(tmp_path)

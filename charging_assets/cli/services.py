"""Dagster's services on this machine: code server, web server and daemon under one supervisor.

`charging-assets ui` becomes this process. It starts the three services and stops all of them as
soon as one stops, so that the daemon never runs without the web server or the other way round.
`dagster dev` does not: if its web server cannot listen, its daemon keeps polling, and if it is
killed, its services keep running.

This module imports nothing heavy; the services import what they need.
"""

from __future__ import annotations

import argparse
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from charging_assets.cli.errors import FAILED, USAGE, UsageError
from charging_assets.cli.ports import require_free
from charging_assets.interrupts import MESSAGE

CODE_SERVER, WEB_SERVER, DAEMON = "code server", "web server", "daemon"
_MODULE, _DEFINITIONS, _LOCATION = (
    "charging_assets.cli.services",
    "charging_assets.definitions",
    "charging_assets",
)
_WATCH_INTERVAL_S = 0.5
# Importing Dagster and the definitions takes 5 to 10 s on an idle machine.
_START_TIMEOUT_S, _STOP_TIMEOUT_S = 180.0, 60.0
# Ctrl-C in a terminal interrupts the services too: a second signal would kill them during their
# shutdown.
_GRACE_S = 3.0
_RESTART_INTERVAL_S = 10.0
# Maximum length of a Unix socket's address, without the zero byte at its end.
_MAX_SOCKET_PATH_BYTES = 107
# tempfile adds eight random characters to the prefix.
_FOLDER_PREFIX, _RANDOM_LENGTH = "charging-", 8
# How long a service may take to stop after its supervisor is gone. The next start waits 20 s for
# it (`dagster_lock`).
_ORPHAN_GRACE_S = 10.0


class ServiceError(Exception):
    """A service did not start, or stopped; the message names it."""


class Supervisor:
    """Starts the services in order, watches them, and stops them in reverse order.

    Args:
        host, port: where the web server listens.
        lock: file descriptor of the home's lock (`dagster_lock`). Web server and daemon inherit it,
            so that the home stays locked until both have ended.
    """

    def __init__(self, host: str, port: int, lock: int) -> None:
        self._host, self._port, self._lock = host, port, lock
        # Services read from this pipe. End of file means that the supervisor is gone.
        self._lifeline, self._lifeline_writer = os.pipe()
        self._services: dict[str, subprocess.Popen[bytes]] = {}
        self._stopped_by: int | None = None
        self._restart_at = 0.0

    def run(self) -> int:
        """Run until a signal arrives; the exit code is 128 plus the signal's number.

        Raises:
            ServiceError: a service did not start, or stopped.
            UsageError: the port was taken while Dagster started.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Under `nohup`, hang-ups stay ignored.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        with tempfile.TemporaryDirectory(prefix=_FOLDER_PREFIX) as folder:
            try:
                self._start(Path(folder))
                while self._stopped_by is None:
                    self._restart_code_server(Path(folder))
                    self._require_all_running()
                    time.sleep(_WATCH_INTERVAL_S)
            finally:
                self._stop()
        print(MESSAGE, file=sys.stderr)
        return 128 + self._stopped_by

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._stopped_by = self._stopped_by or number

    def _start(self, folder: Path) -> None:
        address = _code_server_address(folder)
        workspace = folder / "workspace.yaml"
        workspace.write_text(
            "load_from:\n  - grpc_server:\n"
            f"      socket: '{str(address).replace(chr(39), chr(39) * 2)}'\n"
            f"      location_name: {_LOCATION}\n",
            encoding="utf-8",
        )
        self._start_code_server(address)
        self._wait_for(CODE_SERVER, lambda: _accepts(address))
        if self._stopped_by is not None:
            return
        self._spawn(
            WEB_SERVER, "charging_assets.webserver", "--host", self._host,
            "--port", str(self._port), "--workspace", str(workspace), "--dagster-log-level", "info",
        )  # fmt: skip
        self._spawn(DAEMON, "dagster._daemon", "run", "--workspace", str(workspace))

    def _restart_code_server(self, folder: Path) -> None:
        """Restart the code server if it has stopped, as `dagster dev` does.

        A code server that stops during its start is an error (`_wait_for`).
        """
        code = self._services[CODE_SERVER].poll()
        if code is not None and time.monotonic() > self._restart_at:
            print(
                f"Dagster's {CODE_SERVER} stopped with exit code {code}; restarting it",
                file=sys.stderr, flush=True,
            )  # fmt: skip
            self._restart_at = time.monotonic() + _RESTART_INTERVAL_S
            address = _code_server_address(folder)
            address.unlink(missing_ok=True)
            self._start_code_server(address)

    def _start_code_server(self, address: Path) -> None:
        # Without a working directory, the code server would import from the current folder first.
        # The package's folder is safe: it is importable anyway.
        package_root = Path(__file__).resolve().parents[2]
        self._spawn(
            CODE_SERVER, "dagster", "code-server", "start", "--socket", str(address),
            "--module-name", _DEFINITIONS, "--location-name", _LOCATION,
            "--working-directory", str(package_root), "--use-python-environment-entry-point",
            "--inject-env-vars-from-instance", "--log-level", "warning",
        )  # fmt: skip

    def _spawn(self, name: str, module: str, *arguments: str) -> None:
        # Run workers are children of the code server and may outlive it, so it does not inherit the
        # lock.
        inherited = [self._lifeline] if name == CODE_SERVER else [self._lifeline, self._lock]
        self._services[name] = subprocess.Popen(  # noqa: S603 - no user input
            [sys.executable, "-P", "-W", "ignore", "-m", _MODULE, "service", str(self._lifeline),
             module, *arguments],
            pass_fds=inherited, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def _wait_for(self, name: str, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while self._stopped_by is None and not is_ready():
            self._require_all_running()
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"Dagster's {name} did not start within {_START_TIMEOUT_S:.0f} s; "
                    "see its messages above"
                )
            time.sleep(_WATCH_INTERVAL_S / 5)

    def _require_all_running(self) -> None:
        for name, process in self._services.items():
            if (code := process.poll()) is None or self._stopped_by is not None:
                continue
            if name == CODE_SERVER and WEB_SERVER in self._services:
                continue
            if name == WEB_SERVER:
                # If the port was taken since the check, report that, not only the stopped server.
                require_free(self._host, self._port)
            raise ServiceError(
                f"Dagster's {name} stopped with exit code {code}; the other services were "
                "stopped too; see its messages above"
            )

    def _stop(self) -> None:
        if self._stopped_by == signal.SIGINT:
            self._wait_until_ended(_GRACE_S, [WEB_SERVER, DAEMON])
        for names in ([WEB_SERVER, DAEMON], [CODE_SERVER]):
            for name in names:
                if name in self._services and self._services[name].poll() is None:
                    self._services[name].terminate()
            self._wait_until_ended(_STOP_TIMEOUT_S, names)
        for process in self._services.values():
            if process.poll() is None:
                process.kill()
                process.wait()

    def _wait_until_ended(self, timeout_s: float, names: Sequence[str]) -> None:
        deadline = time.monotonic() + timeout_s
        for name in names:
            if name in self._services:
                try:
                    self._services[name].wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    return


def run_service(lifeline: int, module: str, arguments: Sequence[str]) -> None:
    """Run a module as a program in this process, which ends with the supervisor."""
    threading.Thread(target=_end_with_supervisor, args=(lifeline,), daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with_supervisor(lifeline: int) -> None:
    # Returns when the supervisor closes its end of the pipe or is killed.
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    # A service that hangs would keep the home locked, and no supervisor is left to kill it.
    time.sleep(_ORPHAN_GRACE_S)
    os._exit(128 + signal.SIGTERM)


def require_short_temporary_folder() -> None:
    """Raise UsageError if the path of the temporary folder is too long for the services' sockets.

    The socket of the code server has the longest path.
    """
    folder = tempfile.gettempdir()
    longest = _code_server_address(Path(folder) / f"{_FOLDER_PREFIX}{'x' * _RANDOM_LENGTH}")
    if (excess := len(os.fsencode(longest)) - _MAX_SOCKET_PATH_BYTES) > 0:
        raise UsageError(
            f"the path of the temporary folder {folder} is {excess} bytes too long for the sockets "
            "of Dagster's services; set TMPDIR to a shorter path, such as /tmp"
        )


def _code_server_address(folder: Path) -> Path:
    return folder / "code"


def _accepts(address: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(str(address))
        except OSError:
            return False
    return True


def main() -> int:
    """Entry point of the supervisor and of each of its services."""
    parser = argparse.ArgumentParser(prog=_MODULE, description=__doc__)
    modes = parser.add_subparsers(dest="mode", required=True)
    supervise = modes.add_parser("supervise")
    supervise.add_argument("--host", required=True)
    supervise.add_argument("--port", type=int, required=True)
    supervise.add_argument("--lock", type=int, required=True)
    service = modes.add_parser("service")
    service.add_argument("lifeline", type=int)
    service.add_argument("module")
    service.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if options.mode == "service":
        run_service(options.lifeline, options.module, options.arguments)
        return 0
    try:
        return Supervisor(options.host, options.port, options.lock).run()
    except (ServiceError, UsageError) as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE if isinstance(error, UsageError) else FAILED


if __name__ == "__main__":
    sys.exit(main())

"""Dagster's services on this machine: code server, web server and daemon under one supervisor.

`charging-assets ui` becomes this process. It starts the three services and ends all of them as
soon as one of them stops: neither a daemon without a web server nor a web server without a daemon
is left running. `dagster dev` does not do that: when its web server cannot listen, the daemon
polls on alone, and when it is killed, its services stay.

Nothing heavy is imported here; the services bring their own.
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
# After Ctrl-C in a terminal the services have been interrupted too: a second signal would end
# them in the middle of their shutdown.
_GRACE_S = 3.0
_RESTART_INTERVAL_S = 10.0
# Of a Unix socket's address, without the zero at its end.
_MAX_SOCKET_PATH_BYTES = 107
# tempfile adds eight random characters to the prefix.
_FOLDER_PREFIX, _RANDOM_LENGTH = "charging-", 8
# How long a service may take to end once its supervisor is gone; the next start waits 20 s for it
# (`dagster_lock`).
_ORPHAN_GRACE_S = 10.0


class ServiceError(Exception):
    """A service could not be started or has stopped; the message names it."""


class Supervisor:
    """Starts the services in order, watches them, and ends them in reverse order.

    Args:
        host, port: where the web server listens.
        lock: file descriptor of the home's lock (`dagster_lock`). Web server and daemon inherit it,
            so that the home stays locked until the last of them has ended, however that happens.
    """

    def __init__(self, host: str, port: int, lock: int) -> None:
        self._host, self._port, self._lock = host, port, lock
        # A service reads from this pipe; its end means that the supervisor is gone.
        self._lifeline, self._held_end = os.pipe()
        self._services: dict[str, subprocess.Popen[bytes]] = {}
        self._stopped_by: int | None = None
        self._restart_at = 0.0

    def run(self) -> int:
        """Run until a signal ends it; the exit code is 128 and the signal's number.

        Raises:
            ServiceError: a service did not start, or stopped.
            UsageError: the port was taken while Dagster started.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # `nohup` has hang-ups ignored, and that is to stay so.
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
        """Start the code server again if it has ended: the daemon waits for it meanwhile.

        As `dagster dev` does. A code server that ends while it starts is an error (`_wait_for`).
        """
        code = self._services[CODE_SERVER].poll()
        if code is not None and time.monotonic() > self._restart_at:
            print(
                f"Dagster's {CODE_SERVER} stopped with exit code {code}; starting it again",
                file=sys.stderr, flush=True,
            )  # fmt: skip
            self._restart_at = time.monotonic() + _RESTART_INTERVAL_S
            address = _code_server_address(folder)
            address.unlink(missing_ok=True)
            self._start_code_server(address)

    def _start_code_server(self, address: Path) -> None:
        # The folder of the package, which can be imported from anyhow. Without the option the code
        # server would import from the current folder first.
        importable = Path(__file__).resolve().parents[2]
        self._spawn(
            CODE_SERVER, "dagster", "code-server", "start", "--socket", str(address),
            "--module-name", _DEFINITIONS, "--location-name", _LOCATION,
            "--working-directory", str(importable), "--use-python-environment-entry-point",
            "--inject-env-vars-from-instance", "--log-level", "warning",
        )  # fmt: skip

    def _spawn(self, name: str, module: str, *arguments: str) -> None:
        # Run workers are children of the code server and may outlive it: they hold no lock.
        inherited = [self._lifeline] if name == CODE_SERVER else [self._lifeline, self._lock]
        self._services[name] = subprocess.Popen(  # noqa: S603 - nothing of it comes from outside
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
                    f"Dagster's {name} has not started within {_START_TIMEOUT_S:.0f} s; "
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
                # A port that was taken since it was checked: says so, and not only that it stopped.
                require_free(self._host, self._port)
            raise ServiceError(
                f"Dagster's {name} stopped with exit code {code}, so the other services "
                "were stopped too; see its messages above"
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
    """Become a service: run a module as a program, and end with the supervisor."""
    threading.Thread(target=_end_with_supervisor, args=(lifeline,), daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with_supervisor(lifeline: int) -> None:
    # Returns when the supervisor has closed its end of the pipe, also when it was killed.
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    # Nobody is left to kill a service that waits for something, and it would keep the home locked.
    time.sleep(_ORPHAN_GRACE_S)
    os._exit(128 + signal.SIGTERM)


def require_short_temporary_folder() -> None:
    """Raises UsageError if sockets of services cannot be in the folder for temporary files.

    The supervisor's own has the longest path; those of Dagster are in the same folder.
    """
    folder = tempfile.gettempdir()
    longest = _code_server_address(Path(folder) / f"{_FOLDER_PREFIX}{'x' * _RANDOM_LENGTH}")
    if (excess := len(os.fsencode(longest)) - _MAX_SOCKET_PATH_BYTES) > 0:
        raise UsageError(
            f"the folder for temporary files, {folder}, has a path that is {excess} bytes too long "
            "for the sockets of Dagster's services; set TMPDIR to a shorter one, such as /tmp"
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

"""Server processes that never outlive the program that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# Its standard input is a pipe that closes when this program ends, even by kill -9.
_WRAPPER = """
signal=$1; shift
exec 3<&0 </dev/null
"$@" 3<&- & child=$!
{ cat <&3 >/dev/null; kill -"$signal" "$child"; } 2>/dev/null &
exec 3<&-
wait "$child"
"""


class ServerFailed(Exception):
    """A server of the test bed did not start; the message ends with its log."""


class Server:
    """A child process with its log, ended by `stop_signal` on `stop` or when this program ends."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        log: Path,
        stop_signal: str,
        environment: Mapping[str, str] | None = None,
        user: int | None = None,
    ) -> None:
        self._log = log
        read_end, self._lifeline = os.pipe()
        try:
            with log.open("wb") as output:
                self._process = subprocess.Popen(
                    ["/bin/sh", "-c", _WRAPPER, "sh", stop_signal, *arguments],
                    stdin=read_end,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=dict(environment or {}),
                    start_new_session=True,
                    # A server inherits ignored signals, and would then ignore `stop_signal`.
                    preexec_fn=_reset_signals,
                    cwd="/",
                    **({} if user is None else {"user": user, "group": user, "extra_groups": []}),
                )
        except BaseException:
            os.close(self._lifeline)
            raise
        finally:
            os.close(read_end)

    def check_running(self) -> None:
        """Raise ServerFailed if the process has ended."""
        if self._process.poll() is not None:
            raise ServerFailed(f"ended with {self._process.returncode}:\n{self.log_tail()}")

    def log_tail(self, byte_count: int = 3000) -> str:
        return self._log.read_bytes()[-byte_count:].decode(errors="replace")

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the process and wait for it; does nothing if it has ended."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            print(f"{self._process.args} did not end; killed", file=sys.stderr)
            os.killpg(self._process.pid, 9)
            self._process.wait()


def _reset_signals() -> None:
    for signum in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_DFL)

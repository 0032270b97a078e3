"""Commands in separate processes that receive a signal, and the tables of a warehouse as rows."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import psutil

from charging_assets.warehouse.generation import FILE_NAME

Rows = dict[str, list[tuple[Any, ...]]]
MESSAGE = "interrupted; what was done so far stays"
# Differs between two loads of the same hour.
_OF_A_LOAD = {"loaded_at", "load_id"}
# Processes that nobody reads from any more are gone within this time, on a busy machine too.
_GONE_S = 10


@dataclass
class Ended:
    """Exit code, output and duration after the signal of an ended command."""

    code: int
    out: str
    err: str
    seconds: float
    left_over: list[str] = field(default_factory=list)


@dataclass
class Command:
    """A running command; its standard error is read line by line."""

    process: subprocess.Popen[str]
    lines: queue.SimpleQueue[str | None]
    err: list[str] = field(default_factory=list)

    def wait_for(self, pattern: str, timeout_s: float = 400) -> None:
        """Read standard error up to a line in which the pattern is found."""
        deadline = time.monotonic() + timeout_s
        while (line := self.lines.get(timeout=max(deadline - time.monotonic(), 0.1))) is not None:
            self.err.append(line)
            if re.search(pattern, line):
                return
        raise AssertionError(f"ended without {pattern!r}:\n{''.join(self.err)}")

    def end_by(self, signum: int, *, group: bool = False, timeout_s: float = 60) -> Ended:
        """Send a signal, to the whole process group as a terminal does, and wait for the end."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        began = time.monotonic()
        if group:
            os.killpg(self.process.pid, signum)
        else:
            self.process.send_signal(signum)
        code = self.process.wait(timeout_s)
        seconds = time.monotonic() - began
        _, alive = psutil.wait_procs(children, timeout=_GONE_S)
        while (line := self.lines.get(timeout=10)) is not None:
            self.err.append(line)
        assert self.process.stdout is not None
        left_over = [f"{process.pid}" for process in alive]
        return Ended(code, self.process.stdout.read(), "".join(self.err), seconds, left_over)


@contextmanager
def started(
    home: Path, *arguments: str, ignored: Sequence[int] = (), **environment: str
) -> Iterator[Command]:
    """A command in a session of its own, started with some signals ignored and no others."""
    program = (
        "import os, signal, sys\n"
        "for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):\n"
        f"    signal.signal(signum, signal.SIG_IGN if signum in {tuple(map(int, ignored))} "
        "else signal.SIG_DFL)\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'charging_assets.cli', *sys.argv[1:]])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env={**command_environment(home), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    try:
        with process:
            try:
                yield Command(process, lines)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
    finally:
        process.wait()


def run_whole(home: Path, *arguments: str) -> str:
    """Run a command that is to end well; what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "charging_assets.cli", *arguments],
        env=command_environment(home),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tables(home: Path) -> Rows:
    """All rows of all tables, sorted, without the columns that are of a load and not of data."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{home / FILE_NAME}' AS charging (READ_ONLY)")
        columns = connection.execute(
            "SELECT schema_name || '.' || table_name, LIST(column_name ORDER BY column_index) "
            "FROM duckdb_columns() JOIN duckdb_tables() USING (database_name, schema_name, "
            "table_name) WHERE database_name = 'charging' GROUP BY ALL"
        ).fetchall()
        return {
            table: connection.execute(
                f"SELECT {', '.join(name for name in names if name not in _OF_A_LOAD)} "
                f"FROM charging.{table} ORDER BY ALL"
            ).fetchall()
            for table, names in columns
        }


def differing(one: Rows, other: Rows) -> list[str]:
    """The tables whose rows are not the same."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def command_environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"}}
    return {
        **kept,
        "CHARGING_HOME": str(home),
        "PYTHONPATH": ":".join(sys.path),
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "100",
    }

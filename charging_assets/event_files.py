"""Keeps Dagster's SQLite event files open during a run.

Dagster opens and closes these files for each event. The last connection to close a file checkpoints
its write-ahead log, which on a busy disk takes most of the time of an event. Does nothing if
Dagster stores its events elsewhere.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path


@contextmanager
def keep_open(dagster_home: Path, run_id: str) -> Iterator[None]:
    """Keep the event files of a run open."""
    folder = dagster_home / "history" / "runs"
    with ExitStack() as stack:
        for path in (folder / "index.db", folder / f"{run_id}.db"):
            if path.is_file():
                connection = stack.enter_context(closing(sqlite3.connect(path)))
                # SQLite opens the log with the first read.
                connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchall()
        yield

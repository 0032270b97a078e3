"""Dagster's event files, held open for as long as a run lasts.

Belongs here: where Dagster stores events in SQLite, and a connection to each. Does not belong here:
anything about what is in them, or other stores: where there is no such file, nothing is held.

Dagster opens and closes these files for each event, and who closes one last writes its log back
into it. On a disk that has other things to do that takes most of an event's time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path


@contextmanager
def keep_open(dagster_home: Path, run_id: str) -> Iterator[None]:
    """Hold the files that the events of a run go to."""
    stores = dagster_home / "history" / "runs"
    with ExitStack() as held:
        for path in (stores / "index.db", stores / f"{run_id}.db"):
            if path.is_file():
                connection = held.enter_context(closing(sqlite3.connect(path)))
                # A connection that has read nothing has not opened the log.
                connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchall()
        yield

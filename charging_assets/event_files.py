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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster import InitResourceContext, ResourceDefinition


@contextmanager
def held_open(dagster_home: Path, run_id: str) -> Iterator[None]:
    """Hold the files that the events of a run go to."""
    stores = dagster_home / "history" / "runs"
    with ExitStack() as held:
        for path in (stores / "index.db", stores / f"{run_id}.db"):
            if path.is_file():
                connection = held.enter_context(closing(sqlite3.connect(path)))
                # A connection that has read nothing has not opened the log.
                connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchall()
        yield


def of_each_run() -> ResourceDefinition:
    """The resource that holds them: an asset or op that asks for it has its whole run held."""
    from dagster import ResourceDefinition

    def held(context: InitResourceContext) -> Iterator[None]:
        if context.instance is None or context.run is None:
            yield
            return
        with held_open(Path(context.instance.root_directory), context.run.run_id):
            yield

    return ResourceDefinition(
        contextmanager(held), description="Dagster's event files, held open for a run."
    )

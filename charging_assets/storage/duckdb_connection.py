"""Connections to a DuckDB file, and what its errors say about its lock.

Belongs here: opening, and reading DuckDB's messages. Does not belong here: waiting for the lock, or
what a connection is used for (`warehouse_duckdb`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from charging_assets import interrupts
from charging_assets.storage.warehouse import QueryRefused

# By another process, or by another warehouse object of this one.
_LOCKED = re.compile(r"could not set lock on file|unique file handle conflict", re.IGNORECASE)
_NEWER_FORMAT = re.compile(r"version number \d+, but we can only read", re.IGNORECASE)
_HOLDER = re.compile(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
_DATABASE = "charging"
# The format of the oldest release that pyproject.toml allows. By default DuckDB 2 writes a format
# that no 1.x client opens: DBeaver's driver, R, the command line of most distributions.
STORAGE_VERSION = "v1.4.0"
_INTERRUPTED = "Query interrupted"
# What fills a row group is written to the file while more is still coming, by all processors; what
# does not goes into the log first and is written a second time when that is emptied. Of staging,
# which stays for days, a day of a thousand stations fills some of these.
PASSING_ROW_GROUP = 20_480
# Each connection reads anew what every row group of a column holds at most and at least, to know
# which it can pass over. Of tables that grow for years that takes most of an hour's queries.
LASTING_ROW_GROUP = 737_280
# Of a large table it makes one GROUP BY into many over ranges of its first column, each of which
# reads all rows: staging is in the order of hours, not of keys. A load is one hour or a window of
# them, which fits in memory.
_NOT_FOR_LOADS = "partitioned_execution"


def is_locked(error: duckdb.Error) -> bool:
    """Whether somebody else has the file open."""
    return _LOCKED.search(str(error)) is not None


def is_newer_format(error: duckdb.Error) -> bool:
    """Whether the file was written by a newer DuckDB than this one can read."""
    return _NEWER_FORMAT.search(str(error)) is not None


def holder(error: duckdb.Error) -> str:
    """Who has the file open."""
    found = _HOLDER.search(str(error))
    return f"process {found['pid']} ({found['program']})" if found else "another connection"


@contextmanager
def raise_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt where a signal has ended a statement.

    DuckDB drops the exception of a signal handler and raises a RuntimeError in its place, which
    would pass for a failure of what was being loaded or checked.
    """
    try:
        yield
    except Exception as error:
        interrupts.raise_if_received()
        # Signals of a process that handles them itself, such as a run that Dagster's UI has ended.
        if type(error) is RuntimeError and str(error) == _INTERRUPTED:
            raise KeyboardInterrupt from error
        raise


def opened(
    path: Path | None, *, read_only: bool = False, row_group: int = LASTING_ROW_GROUP
) -> duckdb.DuckDBPyConnection:
    """A connection that thinks in UTC and never fetches an extension from the network.

    `row_group` is how many rows at most what is added is kept together in.
    """
    connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
    interrupts.interrupt_on_signal(connection)
    try:
        # Not in the configuration: that is applied before the part that knows time zones is there.
        connection.execute("SET TimeZone = 'UTC'")
        # Bars of a statement that lasts would be drawn into logs.
        connection.execute("SET enable_progress_bar = false")
        if path is not None:
            # Under a name of its own: a file is otherwise called by its stem, and the schema
            # `warehouse` in the database `warehouse` is ambiguous.
            quoted = str(path).replace("'", "''")
            mode = "READ_ONLY" if read_only else "READ_WRITE"
            # Of a file that is there the format is known, and cannot be lowered.
            version = "" if path.exists() else f", STORAGE_VERSION '{STORAGE_VERSION}'"
            connection.execute(
                f"ATTACH '{quoted}' AS {_DATABASE} ({mode}, ROW_GROUP_SIZE {row_group}{version})"
            )
            connection.execute(f"USE {_DATABASE}")
            # Otherwise it is in the folder where the program was started: of a service, often one
            # that cannot be written to.
            connection.execute(f"SET temp_directory = '{quoted}.tmp'")
        if read_only:
            # Queries may come from people: no file but the warehouse's is read, whatever function
            # a query names, and no statement can change that again.
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
        else:
            _without(connection, _NOT_FOR_LOADS)
    except BaseException:
        connection.close()
        raise
    return connection


def require_select(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    """Raise QueryRefused for anything but one SELECT.

    The locks of a read-only connection are not enough: DuckDB counts the log and the temporary
    files of an attached database as its own, and COPY may write them, which damages the warehouse.
    """
    types = [each.type.name for each in connection.extract_statements(statement)]
    if types != [duckdb.StatementType.SELECT.name]:
        shown = ", ".join(types) or "no statement"
        raise QueryRefused(f"only one SELECT can be run on a connection that reads, not {shown}")


def restrict_reading(connection: duckdb.DuckDBPyConnection, folder: str) -> None:
    """Let a connection reach the files of one folder and no others, for as long as it lasts."""
    quoted = folder.replace("'", "''")
    connection.execute(f"SET allowed_directories = ['{quoted}']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _without(connection: duckdb.DuckDBPyConnection, optimizer: str) -> None:
    """Leave out one of DuckDB's optimizers, where this release of it has it."""
    if connection.execute(
        "SELECT 1 FROM duckdb_optimizers() WHERE name = ?", [optimizer]
    ).fetchall():
        connection.execute(f"SET disabled_optimizers = '{optimizer}'")

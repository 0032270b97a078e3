"""Open connections to a DuckDB file, and interpret DuckDB's errors about its lock."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from charging_assets import interrupts
from charging_assets.warehouse.interface import QueryRefused

# By another process, or by another warehouse object of this one.
_LOCKED = re.compile(r"could not set lock on file|unique file handle conflict", re.IGNORECASE)
_NEWER_FORMAT = re.compile(r"version number \d+, but we can only read", re.IGNORECASE)
_HOLDER = re.compile(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
_DATABASE = "charging"
# The format of the oldest release that pyproject.toml allows. By default DuckDB 2 writes a format
# that no 1.x client opens: DBeaver's driver, R, the command line of most distributions.
STORAGE_VERSION = "v1.4.0"
_INTERRUPTED = "Query interrupted"
# Rows that fill a row group are written to the file at once, by all processors; other rows go to
# the log first and are written a second time at the checkpoint. A day of a thousand stations in
# staging, whose rows stay for days, fills several groups of this size.
STAGING_ROW_GROUP_SIZE = 20_480
# Each connection reads the minimum and maximum of every row group of a column, to skip row groups.
# For tables that grow for years this takes most of the time of an hour's queries.
WAREHOUSE_ROW_GROUP_SIZE = 737_280
# It splits a GROUP BY over a large table into many over ranges of its first column, and each of
# them reads all rows, because staging is ordered by hour, not by key. A load is one hour or a
# window of hours, which fits in memory.
_OPTIMIZER_DISABLED_FOR_LOADS = "partitioned_execution"


def is_locked(error: duckdb.Error) -> bool:
    """Whether another process or connection has the file open."""
    return _LOCKED.search(str(error)) is not None


def is_newer_format(error: duckdb.Error) -> bool:
    """Whether the file was written by a newer DuckDB than this one can read."""
    return _NEWER_FORMAT.search(str(error)) is not None


def lock_holder(error: duckdb.Error) -> str:
    """Describe the process that has the file open."""
    match = _HOLDER.search(str(error))
    return f"process {match['pid']} ({match['program']})" if match else "another connection"


@contextmanager
def raise_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt if a signal has ended a statement.

    DuckDB drops the exception of a signal handler and raises a RuntimeError instead, which would
    look like a failure of the load or check.
    """
    try:
        yield
    except Exception as error:
        interrupts.raise_if_received()
        # The process handles signals itself, such as a run terminated from Dagster's UI.
        if type(error) is RuntimeError and str(error) == _INTERRUPTED:
            raise KeyboardInterrupt from error
        raise


def connect_duckdb(
    path: Path | None, *, read_only: bool = False, row_group: int = WAREHOUSE_ROW_GROUP_SIZE
) -> duckdb.DuckDBPyConnection:
    """Open a connection in UTC that never downloads an extension, nor reads a Python variable.

    `path` is None for a database in memory; `row_group` is the row group size for new tables.
    """
    # A missing table is an error, and never a variable of this process that has its name.
    connection = duckdb.connect(
        ":memory:",
        config={"autoinstall_known_extensions": "false", "python_enable_replacements": "false"},
    )
    interrupts.interrupt_on_signal(connection)
    try:
        # Not in the configuration: it is applied before the time zone extension is loaded.
        connection.execute("SET TimeZone = 'UTC'")
        # Progress bars of long statements would be written into logs.
        connection.execute("SET enable_progress_bar = false")
        if path is not None:
            # With an explicit name: the default is the file's stem, and the schema `warehouse` in
            # the database `warehouse` would be ambiguous.
            quoted = str(path).replace("'", "''")
            mode = "READ_ONLY" if read_only else "READ_WRITE"
            # An existing file has its format, which cannot be lowered.
            version = "" if path.exists() else f", STORAGE_VERSION '{STORAGE_VERSION}'"
            connection.execute(
                f"ATTACH '{quoted}' AS {_DATABASE} ({mode}, ROW_GROUP_SIZE {row_group}{version})"
            )
            connection.execute(f"USE {_DATABASE}")
            # The default is the working directory, which a service often cannot write to.
            connection.execute(f"SET temp_directory = '{quoted}.tmp'")
        if read_only:
            # Queries may come from users: they can read no other file, whatever function they
            # call, and no statement can unlock this.
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
        else:
            _disable_optimizer(connection, _OPTIMIZER_DISABLED_FOR_LOADS)
    except BaseException:
        connection.close()
        raise
    return connection


def require_select(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    """Raise QueryRefused for anything but one SELECT.

    A read-only connection is not enough: DuckDB treats the log and the temporary files of an
    attached database as its own, and COPY may overwrite them, which damages the warehouse.
    """
    types = [each.type.name for each in connection.extract_statements(statement)]
    if types != [duckdb.StatementType.SELECT.name]:
        actual = ", ".join(types) or "no statement"
        raise QueryRefused(f"a read-only connection runs a single SELECT, not {actual}")


def restrict_reading(connection: duckdb.DuckDBPyConnection, folder: str) -> None:
    """Permanently restrict a connection to the files of one folder."""
    quoted = folder.replace("'", "''")
    connection.execute(f"SET allowed_directories = ['{quoted}']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _disable_optimizer(connection: duckdb.DuckDBPyConnection, optimizer: str) -> None:
    """Disable one of DuckDB's optimizers if this release has it."""
    if connection.execute(
        "SELECT 1 FROM duckdb_optimizers() WHERE name = ?", [optimizer]
    ).fetchall():
        connection.execute(f"SET disabled_optimizers = '{optimizer}'")

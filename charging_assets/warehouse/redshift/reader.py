"""Reading from Redshift: one connection, one SELECT at a time, no transaction in between.

A `RedshiftReader` is used by one thread at a time: the warehouse has one under a lock, an
SQLAlchemy engine has one per pooled connection. `warehouse` loads.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from typing import Any

import pyarrow as pa

from charging_assets import clock
from charging_assets.schemas.catalog import DATABASE_SCHEMAS
from charging_assets.warehouse.cancellation import (
    Cancelled,
    interruptible,
    is_cancellable,
    raise_if_cancelled,
)
from charging_assets.warehouse.generation import find_mismatch
from charging_assets.warehouse.interface import NoWarehouse, QueryRefused, WarehouseError
from charging_assets.warehouse.migrations import is_current, schema_digest
from charging_assets.warehouse.redshift.connection import RedshiftResource, connection_error
from charging_assets.warehouse.redshift.errors import (
    TRANSIENT,
    ErrorKind,
    classify_error,
    describe_error,
    explain,
)
from charging_assets.warehouse.redshift.retries import retry
from charging_assets.warehouse.redshift.rows import arrow_rows
from charging_assets.warehouse.redshift.session import LazyConnection, RedshiftSession

# A connection that rested longer may have been forgotten by a router on the way.
_IDLE_S = 60.0
# What the official JDBC driver sends for a read-only connection.
_READ_ONLY = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
# UNLOAD, COPY and CALL are not stopped by a read-only transaction; SET could end it.
_FIRST_WORD = re.compile(r"(?:\s|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*([A-Za-z]*)", re.DOTALL)
_READING_WORDS = frozenset({"SELECT", "WITH", "SHOW", "EXPLAIN"})


class RedshiftReader:
    """One read-only connection, made with the first SELECT and made again when it was lost.

    Args:
        grants: the warehouse's grants to readers, which are part of its schema's digest.
    """

    def __init__(self, redshift: RedshiftResource, grants: Sequence[str]) -> None:
        self._redshift = redshift
        self._grants = grants
        self._link = LazyConnection(self._connect)
        # The server's process of that connection, which a cancel request names.
        self._process: int | None = None
        self._is_generation_read = False
        self._read_at = 0.0

    def select(self, statement: str, values: Mapping[str, Any] | Sequence[Any] = ()) -> pa.Table:
        """Rows of one SELECT in Redshift's dialect.

        Args:
            values: by name for `:name`, by position for `%s`.

        Raises:
            QueryRefused: anything but a SELECT, or one that Redshift cannot run.
            WarehouseError: Redshift cannot be reached; NoWarehouse where nothing was loaded.
            Cancelled: the work of this thread was cancelled.
        """
        _require_reading(statement)
        if time.monotonic() - self._read_at > _IDLE_S:
            self.close()
        try:
            with interruptible(self._cancel):
                table = retry(
                    "reading",
                    lambda: self._select(statement, values),
                    after_error=self.close,
                    make_error=self._cannot_read,
                )
        except Cancelled:
            # The server may yet receive a cancel request, which would end the next statement.
            self.close()
            raise
        self._read_at = time.monotonic()
        return table

    def close(self) -> None:
        """Close the connection; the next SELECT makes another."""
        self._link.close()

    def _select(self, statement: str, values: Mapping[str, Any] | Sequence[Any]) -> pa.Table:
        if not self._is_generation_read:
            require_generation(self._redshift, RedshiftSession(self._link))
            self._is_generation_read = True
        cursor = self._link.connection.cursor()
        if is_cancellable() and self._process is None:
            cursor.execute("SELECT pg_backend_pid()")
            self._process = cursor.fetchone()[0]
        raise_if_cancelled()
        cursor.paramstyle = "named" if isinstance(values, Mapping) else "format"
        cursor.execute(statement, values or None)
        return arrow_rows(cursor.description, cursor.fetchall())

    def _connect(self) -> Any:
        self._process = None
        connection = connect(self._redshift)
        # A further guard: what may be changed is for the rights of the database user to decide.
        with suppress(Exception):
            connection.cursor().execute(_READ_ONLY)
        return connection

    def _cancel(self) -> None:
        """End the statement that the connection runs, over a connection of its own."""
        if self._process is None:
            return
        with closing(self._redshift.connect()) as connection:
            statement = f"SELECT pg_cancel_backend({int(self._process)})"
            connection.cursor().execute(statement)

    def _cannot_read(self, kind: ErrorKind, error: Exception) -> Exception:
        where = self._redshift.describe()
        if kind in TRANSIENT:
            return connection_error(self._redshift, error)
        if kind is ErrorKind.MISSING and not self._has_every_table():
            return NoWarehouse(
                f"{where} has not all tables yet; load some hours first "
                f"(`charging-assets load`): {describe_error(error)}"
            )
        return QueryRefused(f"{where} cannot run the query: {explain(error)}")

    def _has_every_table(self) -> bool:
        """Whether all that this version declares was made, so that other names are mistakes."""
        session = RedshiftSession(self._link)
        try:
            return is_current(session, schema_digest(session.dialect, self._grants))
        except Exception:  # no mark: nothing was ever made here
            self.close()
            return False


def connect(redshift: RedshiftResource, *, has_timeout: bool = True) -> Any:
    """A connection of the driver. Raises its error for a network that may yet answer."""
    try:
        return redshift.connect() if has_timeout else redshift.connect(has_timeout=False)
    except Exception as error:
        if classify_error(error) in TRANSIENT:
            raise
        raise connection_error(redshift, error) from error


def require_generation(redshift: RedshiftResource, session: RedshiftSession) -> None:
    """Refuse a warehouse of another generation: others may use its schemas and grants.

    Raises:
        WarehouseError: with the statements that rename its schemas.
    """
    other = find_mismatch(session)
    if other is None:
        return
    # Names have the time too: those of the generation alone may be taken since an earlier rename.
    rename = "; ".join(
        f"ALTER SCHEMA {schema} RENAME TO "
        f"{schema}_{other.generation}_{clock.utc_now():%Y%m%dt%H%M%Sz}"
        for schema in DATABASE_SCHEMAS
    )
    raise WarehouseError(
        f"{redshift.describe()} holds a warehouse of generation {other.generation} "
        f"({other.reason}), which is never changed in place. Name an empty database in "
        f"CHARGING_REDSHIFT_DATABASE, or rename its schemas ({rename}); "
        "`charging-assets load` then loads every archived hour again"
    )


def _require_reading(statement: str) -> None:
    match = _FIRST_WORD.match(statement)
    word = match[1].upper() if match else ""
    if word not in _READING_WORDS:
        raise QueryRefused(
            f"a read-only connection runs a single SELECT, not {word or 'no statement'}"
        )

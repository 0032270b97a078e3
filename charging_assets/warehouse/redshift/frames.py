"""Store frames in Redshift: stage as Parquet, COPY, and replace rows in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from charging_assets.lake.store import Lake
from charging_assets.schemas.table import Table
from charging_assets.warehouse.executor import new_load_id
from charging_assets.warehouse.frames import (
    FrameError,
    create_or_cast,
    frame_table,
    plain,
    replace_in_transaction,
)
from charging_assets.warehouse.plan import LoadError, Params, Scope
from charging_assets.warehouse.redshift.connection import RedshiftResource, connection_error
from charging_assets.warehouse.redshift.copy import StagedRows, remove, stage, validate_role
from charging_assets.warehouse.redshift.errors import ErrorKind, explain
from charging_assets.warehouse.redshift.retries import retry
from charging_assets.warehouse.redshift.rows import arrow_rows
from charging_assets.warehouse.redshift.session import LazyConnection, RedshiftSession


class RedshiftFrames:
    """A `FrameStore` in Redshift. Rows are staged in `lake`, where the cluster's role reads.

    `grants` makes the statements that follow the creation of a schema, so that readers see it.
    """

    def __init__(
        self,
        redshift: RedshiftResource,
        lake: Lake,
        iam_role: str,
        *,
        grants: Callable[[str], Sequence[str]] = lambda schema: (),
    ) -> None:
        self._redshift, self._lake, self._grants = redshift, lake, grants
        self._iam_role = validate_role(iam_role)

    def replace_rows(self, table: Table, scope: Scope, rows: pa.Table) -> None:
        """Replace a scope's rows in one transaction; a table that is absent is made before it."""
        what = f"storing {plain(table.schema)}.{plain(table.name)}"
        if folded := [name for name in rows.column_names if name != name.lower()]:
            raise FrameError(
                f"{what} failed: Redshift would fold the names {', '.join(folded)} to lower case; "
                "rename the columns"
            )
        with LazyConnection(self._redshift.connect) as link:
            fitted = self._retry(link, what, lambda session: self._prepare(session, table, rows))
            # COPY takes no other type of a column than that of the file.
            copied = frame_table(plain(table.schema), plain(table.name), fitted.schema)
            staged = stage(self._lake, new_load_id(), copied, fitted)
            try:
                self._retry(
                    link, what, lambda session: self._replace(session, table, staged, scope)
                )
            finally:
                remove(self._lake, staged)

    def query(self, sql: str, params: Params | None = None) -> pa.Table:
        """Rows of a SELECT, over a connection of its own."""

        def read(session: RedshiftSession) -> pa.Table:
            cursor = session.cursor(sql, params or {})
            return arrow_rows(cursor.description, cursor.fetchall())

        with LazyConnection(self._redshift.connect) as link:
            return self._retry(link, "reading", read)

    def _prepare(self, session: RedshiftSession, table: Table, rows: pa.Table) -> pa.Table:
        fitted = create_or_cast(session, table, rows)
        if fitted is rows:  # it may have been made just now
            for statement in self._grants(table.schema):
                session.execute(statement, {})
        return fitted

    def _replace(
        self, session: RedshiftSession, table: Table, staged: StagedRows, scope: Scope
    ) -> None:
        session.copy_staged(staged, self._iam_role)
        with session.transaction(lock=table.full_name):
            replace_in_transaction(session, table, scope, pa.table({}))
        session.drop_temps()

    def _retry(
        self, link: LazyConnection, what: str, operation: Callable[[RedshiftSession], Any]
    ) -> Any:
        def make_error(kind: ErrorKind, error: Exception) -> Exception:
            if kind is ErrorKind.LOST:
                return connection_error(self._redshift, error)
            return LoadError(f"{what} failed, nothing was changed: {explain(error)}")

        return retry(
            what,
            lambda: operation(RedshiftSession(link)),
            after_error=link.close,
            make_error=make_error,
        )

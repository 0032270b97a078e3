"""A connection that records statements and fails on demand, for the order of a load.

Answers are minimal: just enough for a load to continue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from charging_assets.warehouse.migrations import schema_digest
from charging_assets.warehouse.redshift.connection import RedshiftResource
from charging_assets.warehouse.redshift.warehouse import RedshiftWarehouse

ROLE = "arn:aws:iam::111122223333:role/copy"
PASSWORD = "sentinel-password-of-the-tests"

Failure = Callable[[], BaseException]


@dataclass
class Recorder:
    """All statements of all connections; `fail_at` is the number of the failing statement.

    It stores one table, the ledger: written in a transaction, visible after the commit.
    """

    staged_rows: int
    statements: list[str] = field(default_factory=list)
    params: list[dict[str, Any] | None] = field(default_factory=list)
    connections: int = 0
    open_connections: int = 0
    without_timeout: int = 0
    fail_at: int = 0
    failure: Failure = lambda: OSError("cut")
    # Whether the statement that fails is carried out all the same.
    is_carried_out: bool = False
    ledger: list[Any] | None = None
    _written: list[Any] | None = None

    def connect(self, *, has_timeout: bool = True) -> Any:
        self.connections += 1
        self.without_timeout += not has_timeout
        self.open_connections += 1
        return _Connection(self)

    def describe(self) -> str:
        return "a recorder"

    def record(self, sql: str, params: dict[str, Any] | None) -> Sequence[list[Any]]:
        self.statements.append(" ".join(sql.split()))
        self.params.append(params)
        if len(self.statements) == self.fail_at:
            if self.is_carried_out:
                self._answer(self.statements[-1], params)
            raise self.failure()
        return self._answer(self.statements[-1], params)

    def _answer(self, sql: str, params: dict[str, Any] | None) -> Sequence[list[Any]]:
        if sql.startswith("SELECT digest FROM ops.schema_digest"):
            return [[schema_digest("redshift")]]
        if sql.startswith("SELECT archive_digest"):
            return [self.ledger] if self.ledger else []
        if sql.startswith("INSERT INTO ops.ledger"):
            assert params is not None
            self._written = [
                params["archive_digest"], params["input_digest"], params["code_version"],
                params["row_counts"], True, params["load_id"],
            ]  # fmt: skip
        if sql == "COMMIT":
            self.ledger = self._written or self.ledger
        if sql in {"COMMIT", "ROLLBACK"}:
            self._written = None
        if sql.startswith("SELECT COUNT(*)"):
            return [[self.staged_rows]]
        if sql.startswith("SELECT COALESCE(SUM(row_count), 0)"):
            return [[self.staged_rows, 1]]
        return []


class _Connection:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._is_open = True

    def cursor(self) -> _Cursor:
        return _Cursor(self._recorder)

    def close(self) -> None:
        self._recorder.open_connections -= self._is_open
        self._is_open = False


class _Cursor:
    paramstyle = "format"
    description: Sequence[Any] = ()
    rowcount = -1

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._rows: Sequence[list[Any]] = ()

    def execute(self, sql: str, params: dict[str, Any] | None = None) -> None:
        assert self.paramstyle == "named"
        self._rows = self._recorder.record(sql, params)

    def fetchall(self) -> Sequence[list[Any]]:
        return self._rows


def record_warehouse(recorder: Recorder, lake: Any) -> RedshiftWarehouse:
    """A warehouse whose connections are recorded."""
    made = RedshiftWarehouse(RedshiftResource(database="dev", password=PASSWORD), lake, ROLE)
    made._redshift = recorder  # type: ignore[assignment]
    return made

"""Connections that explain each kind of statement before it runs, and break on demand."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from charging_assets.warehouse.redshift.connection import RedshiftResource
from charging_assets.warehouse.redshift.errors import ErrorKind, classify_error
from charging_assets.warehouse.redshift.sql import inline_params

_EXPLAINED = re.compile(
    r"\s*(?:--[^\n]*\n\s*)*(SELECT|WITH|INSERT|UPDATE|DELETE|CREATE TEMP TABLE \w+ AS)\b", re.I
)
_CATALOG = re.compile(r"\b(pg_|information_schema|svv_|sys_|current_user)", re.I)
_VALUES = re.compile(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b|\b[0-9a-f]{32}\b")
# What costs on a cluster: loops over two tables, and a large table sent to every node.
_COSTLY = re.compile(r"Nested Loop|DS_BCAST_INNER|DS_DIST_BOTH|DS_DIST_ALL_INNER")


@dataclass
class Plans:
    """The statements that were explained, by text without values."""

    explained: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    costly: Counter[str] = field(default_factory=Counter)
    not_explained: int = 0


@dataclass
class Fault:
    """Breaks a connection once: while a statement runs (`is_late` False) or after it."""

    pattern: str
    is_late: bool
    happened: bool = False


@dataclass
class WatchedResource:
    """A `RedshiftResource` whose connections are watched; it stands for one wherever used."""

    resource: RedshiftResource
    plans: Plans
    fault: Fault | None = None

    def connect(self, **how: Any) -> Any:
        return _Connection(self.resource.connect(**how), self)

    def describe(self) -> str:
        return self.resource.describe()


class _Connection:
    def __init__(self, connection: Any, watched: WatchedResource) -> None:
        self._connection, self._watched = connection, watched

    def cursor(self) -> _Cursor:
        return _Cursor(self._connection, self._watched)

    def close(self) -> None:
        self._connection.close()


class _Cursor:
    paramstyle = "named"

    def __init__(self, connection: Any, watched: WatchedResource) -> None:
        self._connection, self._watched = connection, watched
        self._cursor = connection.cursor()

    def execute(self, sql: str, params: Any = None) -> None:
        self._explain(sql, params)
        fault = self._watched.fault
        is_due = fault and not fault.happened and re.match(fault.pattern, sql)
        self._cursor.paramstyle = self.paramstyle
        if fault and is_due:
            fault.happened = True
            if not fault.is_late:
                threading.Thread(target=self._cut, args=(0.02,), daemon=True).start()
            self._cursor.execute(sql, params)
            self._cut(0)
            raise ConnectionResetError(f"cut by the acceptance after {fault.pattern}")
        self._cursor.execute(sql, params)

    def _cut(self, wait_s: float) -> None:
        time.sleep(wait_s)
        with suppress(OSError):
            self._connection._usock.shutdown(socket.SHUT_RDWR)

    def _explain(self, sql: str, params: Any) -> None:
        if not _EXPLAINED.match(sql) or _CATALOG.search(sql):
            return
        plans, shape = self._watched.plans, _VALUES.sub("?", " ".join(sql.split()))
        if shape in plans.explained:
            return
        plans.explained.add(shape)
        try:
            text = inline_params(sql, params or {})
        except ValueError:  # a text that cannot be a literal
            plans.not_explained += 1
            return
        explaining = self._connection.cursor()
        try:
            explaining.execute(f"EXPLAIN {text}")
            lines = [str(row[0]) for row in explaining.fetchall()]
        except Exception as error:
            # Not what the program expects: tables that are not made yet, rights that lack.
            if classify_error(error) is ErrorKind.REFUSED and "42501" not in str(error):
                plans.refused[shape[:300]] = str(error)
            plans.explained.discard(shape)
            raise
        for operation in sorted({match for line in lines for match in _COSTLY.findall(line)}):
            plans.costly[f"{operation}: {shape[:160]}"] += 1

    @property
    def description(self) -> Any:
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        return int(self._cursor.rowcount)

    def fetchall(self) -> Any:
        return self._cursor.fetchall()

    def fetchone(self) -> Any:
        return self._cursor.fetchone()

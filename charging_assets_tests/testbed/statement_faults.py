"""Faults at statements: the connection is cut at a chosen point, or an error is returned.

Faults at bytes are in `tcp_proxy`, those in S3's answers in `lake/faulty_s3`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from charging_assets_tests.testbed.errors import Refused, serialization_failure

CutPoint = Literal["before", "during", "reply", "after"]


class Cut(Exception):
    """The client's connection must be cut now."""


@dataclass
class _Fault:
    pattern: re.Pattern[str]
    point: CutPoint
    skip: int
    times: int
    error: Refused | None = None


@dataclass
class StatementFaults:
    """The faults of one database, and the statements executed in it, in order.

    A connection is cut `before` the server receives the statement; `during` it, so that the server
    executes it and the client is gone; before its `reply` is sent; or `after` the reply.
    """

    statements: list[str] = field(default_factory=list)
    _faults: list[_Fault] = field(default_factory=list)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def cut(self, point: CutPoint, pattern: str, *, skip: int = 0, times: int = 1) -> None:
        """Cut at matching statements, after the first `skip` of them, `times` times."""
        self._add(_Fault(re.compile(pattern, re.IGNORECASE), point, skip, times))

    def refuse(
        self, pattern: str, error: Refused | None = None, *, skip: int = 0, times: int = 1
    ) -> None:
        """Return an error (default: 1023), which aborts the transaction."""
        error = error or serialization_failure()
        self._add(_Fault(re.compile(pattern, re.IGNORECASE), "before", skip, times, error))

    def clear(self) -> None:
        """Remove all faults and recorded statements."""
        with self._mutex:
            self._faults.clear()
            self.statements.clear()

    @property
    def remaining(self) -> int:
        """The number of faults that have not happened yet."""
        with self._mutex:
            return sum(fault.times for fault in self._faults)

    def record(self, sql: str) -> None:
        with self._mutex:
            self.statements.append(sql)

    def raise_if_due(self, point: CutPoint, sql: str) -> None:
        """Raise Cut or the error if a fault is due at this point of a statement."""
        if self.is_due(point, sql):
            raise Cut(f"{point} {sql}")

    def is_due(self, point: CutPoint, sql: str) -> bool:
        """Whether a cut is due, which uses it up; a due error is raised."""
        with self._mutex:
            for fault in self._faults:
                if fault.point != point or not fault.times or not fault.pattern.search(sql):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                if fault.error:
                    raise fault.error
                return True
        return False

    def _add(self, fault: _Fault) -> None:
        with self._mutex:
            self._faults.append(fault)


def cut_data(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Half of the first chunk, then a cut."""
    first = next(chunks, b"")
    yield first[: len(first) // 2]
    raise Cut("in the middle of the data")

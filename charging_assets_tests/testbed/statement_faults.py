"""Faults at statements: a connection cut at a chosen moment of one, or an error in its stead.

Belongs here: what is to go wrong, and what was seen. Does not belong here: faults at bytes
(`tcp_proxy`) or in S3's answers (`storage/faulty_s3`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from charging_assets_tests.testbed.errors import Refused, serialization_failure

Moment = Literal["before", "during", "reply", "after"]


class Cut(Exception):
    """The client's connection is to be cut now."""


@dataclass
class _Fault:
    pattern: re.Pattern[str]
    moment: Moment
    skip: int
    times: int
    error: Refused | None = None


@dataclass
class StatementFaults:
    """The faults of one database, and the statements that were executed in it, in order.

    A cut is made `before` the server gets the statement; `during` it, so that the server has it and
    its client is gone; when it is done and its `reply` is lost; or `after` the reply.
    """

    seen: list[str] = field(default_factory=list)
    _faults: list[_Fault] = field(default_factory=list)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def cut(self, moment: Moment, pattern: str, *, skip: int = 0, times: int = 1) -> None:
        """Cut at the statement that matches, after `skip` of them, `times` times."""
        self._add(_Fault(re.compile(pattern, re.IGNORECASE), moment, skip, times))

    def refuse(
        self, pattern: str, error: Refused | None = None, *, skip: int = 0, times: int = 1
    ) -> None:
        """Answer an error, 1023 unless another is given; the transaction is aborted by it."""
        error = error or serialization_failure()
        self._add(_Fault(re.compile(pattern, re.IGNORECASE), "before", skip, times, error))

    def clear(self) -> None:
        """No more faults, and nothing seen."""
        with self._mutex:
            self._faults.clear()
            self.seen.clear()

    @property
    def left(self) -> int:
        """How many faults have not happened yet."""
        with self._mutex:
            return sum(fault.times for fault in self._faults)

    def note(self, sql: str) -> None:
        with self._mutex:
            self.seen.append(sql)

    def strike(self, moment: Moment, sql: str) -> None:
        """Raise Cut or the error where a fault is due at this moment of a statement."""
        if self.is_due(moment, sql):
            raise Cut(f"{moment} {sql}")

    def is_due(self, moment: Moment, sql: str) -> bool:
        """Whether a cut is due, which is then used up; a refusal that is due is raised."""
        with self._mutex:
            for fault in self._faults:
                if fault.moment != moment or not fault.times or not fault.pattern.search(sql):
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


def torn(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Half of what there was to send, then a cut."""
    first = next(chunks, b"")
    yield first[: len(first) // 2]
    raise Cut("in the midst of the data")

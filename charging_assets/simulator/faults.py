"""Faults of a server, and which place has which fault; they can be changed while it runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from enum import StrEnum

EVERYWHERE = "*"


class FaultKind(StrEnum):
    """The kinds of faulty responses."""

    STATUS_500 = "status_500"
    STATUS_503 = "status_503"
    STATUS_429 = "status_429"
    HTML = "html"
    EMPTY = "empty"
    TRUNCATED_JSON = "truncated_json"
    SHORT_BODY = "short_body"
    NOT_UTF8 = "not_utf8"
    HUGE_BODY = "huge_body"
    GZIP_BOMB = "gzip_bomb"
    GZIP_MEMBERS = "gzip_members"
    SLOW_DRIP = "slow_drip"
    DELAY = "delay"
    RESET = "reset"
    REDIRECT = "redirect"
    WRONG_SCHEMA = "wrong_schema"
    API_ERROR = "api_error"


@dataclass(frozen=True)
class Fault:
    """One place's fault.

    `times` is the number of affected requests (None: all). `seconds` is the duration of a delay, a
    drip or a Retry-After; `size` the bytes of a huge body, or of a decompressed gzip bomb.
    """

    kind: FaultKind
    times: int | None = None
    seconds: float = 30.0
    size: int = 256 * 1024 * 1024

    def __post_init__(self) -> None:
        if self.times is not None and self.times < 1:
            raise ValueError(f"a fault affects at least one request, not {self.times}")


class Faults:
    """The active faults, by slug or for every place; can be changed from any thread."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self._lock = threading.Lock()

    def set(self, slug: str, fault: Fault | FaultKind | str) -> None:
        """Set a place's fault (`EVERYWHERE` for all); ValueError for an unknown kind."""
        fault = fault if isinstance(fault, Fault) else Fault(FaultKind(fault))
        with self._lock:
            self._faults[slug] = fault

    def clear(self, slug: str | None = None) -> None:
        """Remove a place's fault, or all faults."""
        with self._lock:
            if slug is None:
                self._faults.clear()
            else:
                self._faults.pop(slug, None)

    def next_fault(self, slug: str) -> Fault | None:
        """The fault of the next request for a place; a fault with no requests left is removed."""
        with self._lock:
            key = slug if slug in self._faults else EVERYWHERE
            fault = self._faults.get(key)
            if fault is None or fault.times is None:
                return fault
            if fault.times == 1:
                del self._faults[key]
            else:
                self._faults[key] = replace(fault, times=fault.times - 1)
            return fault

    def active(self) -> dict[str, Fault]:
        """All active faults."""
        with self._lock:
            return dict(self._faults)

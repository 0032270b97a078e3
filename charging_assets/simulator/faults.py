"""Faults of a server, as real ones have them: which there are, and which place has one now.

Belongs here: the list of faults and switching them while a server runs. Does not belong here:
how a fault is put on the wire (`server`), and bad records in good answers (`hostile`).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from enum import StrEnum

EVERYWHERE = "*"


class FaultKind(StrEnum):
    """What a place can do instead of answering."""

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

    `times` is how many requests it meets (None: all). `seconds` is how long a delay, a drip or a
    Retry-After lasts; `size` the bytes of a huge body, or of a bomb once it is unpacked.
    """

    kind: FaultKind
    times: int | None = None
    seconds: float = 30.0
    size: int = 256 * 1024 * 1024

    def __post_init__(self) -> None:
        if self.times is not None and self.times < 1:
            raise ValueError(f"a fault meets at least one request, not {self.times}")


class Faults:
    """The faults that are on, by slug or for every place; switched from any thread."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self._lock = threading.Lock()

    def set(self, slug: str, fault: Fault | FaultKind | str) -> None:
        """Switch a place's fault on (`EVERYWHERE` for all); ValueError for an unknown kind."""
        fault = fault if isinstance(fault, Fault) else Fault(FaultKind(fault))
        with self._lock:
            self._faults[slug] = fault

    def clear(self, slug: str | None = None) -> None:
        """Switch a place's fault off, or all of them."""
        with self._lock:
            if slug is None:
                self._faults.clear()
            else:
                self._faults.pop(slug, None)

    def take(self, slug: str) -> Fault | None:
        """The fault that a request for a place meets; one that is used up goes off."""
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

    def on(self) -> dict[str, Fault]:
        """All faults that are on."""
        with self._lock:
            return dict(self._faults)

"""Caches of preprocessing, limited in bytes.

A cache changes speed only, never a value. A hostile answer can fill a cache with values as large as
the answer itself, so a limit on the number of entries is not enough: each entry states its weight.
"""

from __future__ import annotations

import threading
from typing import Any
from weakref import WeakSet

# All caches of a process together. Hours of 2,400 EVSEs fill 16 MiB of it.
TOTAL_LIMIT_BYTES = 128 << 20
# Larger values are not cached: they would use much memory and save little time.
MAX_ENTRY_BYTES = 64 << 10

_caches: WeakSet[Cache] = WeakSet()
_weight = 0


class Cache:
    """Values by key, looked up in `entries`; all caches are cleared when their sum is full."""

    def __init__(self) -> None:
        self.entries: dict[Any, Any] = {}
        _caches.add(self)

    def add(self, key: Any, value: Any, weight: int) -> None:
        """Cache a value that takes about `weight` bytes with its key, unless it is too large."""
        global _weight
        if weight > MAX_ENTRY_BYTES:
            return
        if _weight + weight > TOTAL_LIMIT_BYTES:
            for cache in list(_caches):
                cache.entries.clear()
            _weight = 0
        _weight += weight
        self.entries[key] = value


def cached_bytes() -> int:
    """Return the approximate size in bytes of all caches of the process."""
    return _weight


class KeptCache:
    """Values that are replaced from hour to hour, up to a limit in bytes.

    A value that has no room is not kept, and evicts no other: where places are read in turn, an
    eviction of the least recently used would evict each value just before it is read again.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._entries: dict[Any, tuple[Any, int]] = {}
        self._weight = 0
        self._lock = threading.Lock()

    def take(self, key: Any) -> Any:
        """Remove and return the value of a key; None if it is not kept."""
        with self._lock:
            value, weight = self._entries.pop(key, (None, 0))
            self._weight -= weight
            return value

    def keep(self, key: Any, value: Any, weight: int) -> None:
        """Keep a value that takes about `weight` bytes, if there is room."""
        with self._lock:
            _, replaced = self._entries.pop(key, (None, 0))
            self._weight -= replaced
            if self._weight + weight <= self._limit:
                self._entries[key] = value, weight
                self._weight += weight

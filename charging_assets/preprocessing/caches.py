"""Caches of preprocessing, limited in bytes.

A cache changes speed only, never a value. A hostile answer can fill a cache with values as large as
the answer itself, so a limit on the number of entries is not enough: each entry states its weight.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
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


class RecentCache:
    """Values by key; the least recently used are evicted first."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._entries: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._weight = 0
        self._lock = threading.Lock()

    def get(self, key: Any) -> Any:
        """The value of a key, None if it is not (or no longer) cached."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def add(self, key: Any, value: Any, weight: int) -> None:
        """Cache a value that takes about `weight` bytes with its key."""
        if weight > self._limit // 8:
            return
        with self._lock:
            replaced = self._entries.pop(key, None)
            self._entries[key] = value, weight
            self._weight += weight - (replaced[1] if replaced else 0)
            while self._weight > self._limit:
                _, (_, evicted_weight) = self._entries.popitem(last=False)
                self._weight -= evicted_weight

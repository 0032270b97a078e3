"""What preprocessing remembers, bounded in bytes.

Caches change speed alone, never a value. A hostile answer can fill each with values as large as
itself, so that a number of entries bounds nothing: entries state their weight.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any
from weakref import WeakSet

# All caches of a process together. Hours of 2,400 EVSEs fill 16 MiB of it.
LIMIT_BYTES = 128 << 20
# Larger values are not cached: they would use much memory and save little time.
LARGEST_BYTES = 64 << 10

_caches: WeakSet[Cache] = WeakSet()
_weight = 0


class Cache:
    """Values by key. Look-ups are in `entries`; when all caches are full, all are emptied."""

    def __init__(self) -> None:
        self.entries: dict[Any, Any] = {}
        _caches.add(self)

    def add(self, key: Any, value: Any, weight: int) -> None:
        """Remember a value that takes about `weight` bytes with its key; not a large one."""
        global _weight
        if weight > LARGEST_BYTES:
            return
        if _weight + weight > LIMIT_BYTES:
            for cache in list(_caches):
                cache.entries.clear()
            _weight = 0
        _weight += weight
        self.entries[key] = value


def held_bytes() -> int:
    """About how much all caches of the process hold."""
    return _weight


class RecentCache:
    """Values by key, of which the least recently used go first."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._entries: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._weight = 0
        self._lock = threading.Lock()

    def get(self, key: Any) -> Any:
        """The value of a key, None if it is not known (any more)."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def add(self, key: Any, value: Any, weight: int) -> None:
        """Remember a value that takes about `weight` bytes with its key."""
        if weight > self._limit // 8:
            return
        with self._lock:
            replaced = self._entries.pop(key, None)
            self._entries[key] = value, weight
            self._weight += weight - (replaced[1] if replaced else 0)
            while self._weight > self._limit:
                _, (_, gone) = self._entries.popitem(last=False)
                self._weight -= gone

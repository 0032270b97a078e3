"""How many pages are made at a time, so that many readers wait instead of filling the memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

_RUNNING, _WAITING = 2, 40
_LOOK_EVERY_S = 0.5


class Busy(Exception):
    """Too many requests wait already, or the client of this one has left."""


class Limit:
    """At most `running` requests at a time; at most `waiting` more, in the order of their arrival.

    A page takes one processor and up to some 100 MB while it is made.
    """

    def __init__(self, running: int = _RUNNING, waiting: int = _WAITING) -> None:
        self._running = asyncio.Semaphore(running)
        self._waiting, self._most_waiting = 0, waiting

    @asynccontextmanager
    async def place(self, has_left: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
        """Wait for a place and hold it; Busy if there is none, or if the client has left."""
        if self._waiting >= self._most_waiting:
            raise Busy
        self._waiting += 1
        try:
            await self._acquire(has_left)
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._running.release()

    async def _acquire(self, has_left: Callable[[], Awaitable[bool]]) -> None:
        place = asyncio.ensure_future(self._running.acquire())
        try:
            while not (await asyncio.wait({place}, timeout=_LOOK_EVERY_S))[0]:
                if await has_left():
                    raise Busy
        except BaseException:
            # A place that was taken in the same moment is given back.
            if not place.cancel() and not place.cancelled():
                self._running.release()
            raise

"""How many pages are made at a time and for how long, so that readers cannot use up the machine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from charging_assets.storage.cancellation import Cancellation, Cancelled

_MAX_RUNNING, _MAX_WAITING = 2, 40
_CHECK_INTERVAL_S = 0.5
# A page that takes longer is cancelled. On a large warehouse pages take some seconds; Redshift
# Serverless may take half a minute to wake up.
PAGE_TIMEOUT_S = 60.0
# A request that has waited longer for its turn is refused.
WAIT_TIMEOUT_S = 30.0

Result = TypeVar("Result")


class Busy(Exception):
    """Too many requests wait already, or this one has waited too long."""


class ClientDisconnected(Exception):
    """The client has closed the connection: nobody waits for the page."""


class PageTimeout(Exception):
    """The page took longer than `PAGE_TIMEOUT_S`."""


async def run_page(
    make: Callable[[], Result], is_disconnected: Callable[[], Awaitable[bool]]
) -> Result:
    """The result of `make`, in a thread, which is cancelled if it is not wanted any more.

    It ends with the thread, and not before: until then the page uses a processor.

    Raises:
        ClientLeft: the client has left; the page was cancelled.
        PageTimeout: the page took longer than `PAGE_TIMEOUT_S`, and was cancelled.
    """
    page = Cancellation()
    ended = threading.Event()

    def work() -> Result:
        try:
            return page.run(make)
        finally:
            ended.set()

    task = asyncio.ensure_future(run_in_threadpool(work))
    deadline = asyncio.get_running_loop().time() + PAGE_TIMEOUT_S
    reason: type[Exception] = ClientDisconnected
    try:
        while not (await asyncio.wait({task}, timeout=_CHECK_INTERVAL_S))[0]:
            if not page.is_cancelled and asyncio.get_running_loop().time() > deadline:
                reason = PageTimeout
            elif not page.is_cancelled and not await is_disconnected():
                continue
            # In a thread: Redshift takes a connection of its own for it.
            await run_in_threadpool(page.cancel)
    except BaseException:  # the server stops, and does not wait
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        threading.Thread(target=_cancel_until_done, args=(page, ended), daemon=True).start()
        raise
    try:
        return task.result()
    except Cancelled:
        raise reason from None


def _cancel_until_done(page: Cancellation, ended: threading.Event) -> None:
    """Cancel again and again: an engine may drop an interrupt, and sending one may fail."""
    while True:
        with suppress(Exception):
            page.cancel()
        if ended.wait(_CHECK_INTERVAL_S):
            return


class Limit:
    """At most `running` requests at a time; at most `waiting` more, in the order of their arrival.

    A page takes one processor and up to some 100 MB while it is made.
    """

    def __init__(self, running: int = _MAX_RUNNING, waiting: int = _MAX_WAITING) -> None:
        self._running = asyncio.Semaphore(running)
        self._waiting, self._max_waiting = 0, waiting

    @asynccontextmanager
    async def slot(self, is_disconnected: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
        """Wait for a place and hold it.

        Raises:
            Busy: too many wait, or there was no place within `WAIT_TIMEOUT_S`.
            ClientLeft: the client has left while it waited.
        """
        if self._waiting >= self._max_waiting:
            raise Busy
        self._waiting += 1
        try:
            await self._acquire(is_disconnected)
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._running.release()

    async def _acquire(self, is_disconnected: Callable[[], Awaitable[bool]]) -> None:
        slot = asyncio.ensure_future(self._running.acquire())
        deadline = asyncio.get_running_loop().time() + WAIT_TIMEOUT_S
        try:
            while not (await asyncio.wait({slot}, timeout=_CHECK_INTERVAL_S))[0]:
                if await is_disconnected():
                    raise ClientDisconnected
                if asyncio.get_running_loop().time() > deadline:
                    raise Busy
        except BaseException:
            # A place that was taken in the same moment is given back.
            if not slot.cancel() and not slot.cancelled():
                self._running.release()
            raise

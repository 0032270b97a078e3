"""Limits on the number and duration of page requests: readers cannot exhaust the machine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from charging_assets.warehouse.cancellation import Cancellation, Cancelled

_MAX_RUNNING, _MAX_WAITING = 2, 40
_CHECK_INTERVAL_S = 0.5
# A page that takes longer is cancelled. On a large warehouse pages take some seconds; Redshift
# Serverless may take half a minute to wake up.
PAGE_TIMEOUT_S = 60.0
# A request that has waited longer is refused.
WAIT_TIMEOUT_S = 30.0

Result = TypeVar("Result")


class Busy(Exception):
    """Too many requests are waiting, or this one has waited too long."""


class ClientDisconnected(Exception):
    """The client has closed the connection."""


class PageTimeout(Exception):
    """The page took longer than `PAGE_TIMEOUT_S`."""


async def run_page(
    make: Callable[[], Result], is_disconnected: Callable[[], Awaitable[bool]]
) -> Result:
    """Run `make` in a thread, and cancel it if the client disconnects or it takes too long.

    Returns only when the thread has ended, since the page uses a CPU until then.

    Raises:
        ClientDisconnected: the client has disconnected; the page was cancelled.
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
            # In a thread: on Redshift, cancelling opens another connection.
            await run_in_threadpool(page.cancel)
    except BaseException:  # the server is stopping and does not wait
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        threading.Thread(target=_cancel_until_done, args=(page, ended), daemon=True).start()
        raise
    try:
        return task.result()
    except Cancelled:
        raise reason from None


def _cancel_until_done(page: Cancellation, ended: threading.Event) -> None:
    """Repeat the cancellation: an engine may drop an interrupt, and sending one may fail."""
    while True:
        with suppress(Exception):
            page.cancel()
        if ended.wait(_CHECK_INTERVAL_S):
            return


class Limit:
    """At most `running` requests at a time, and at most `waiting` more in order of arrival.

    A page uses one CPU and up to about 100 MB while it is built.
    """

    def __init__(self, running: int = _MAX_RUNNING, waiting: int = _MAX_WAITING) -> None:
        self._running = asyncio.Semaphore(running)
        self._waiting, self._max_waiting = 0, waiting

    @asynccontextmanager
    async def slot(self, is_disconnected: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
        """Wait for a slot and occupy it.

        Raises:
            Busy: too many requests are waiting, or no slot was free within `WAIT_TIMEOUT_S`.
            ClientDisconnected: the client has disconnected while waiting.
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
            # A slot that was acquired at the same time is released.
            if not slot.cancel() and not slot.cancelled():
                self._running.release()
            raise

"""Cancel the queries of a request whose client has disconnected.

A `Cancellation` runs work in one thread and can be cancelled from another. Engines mark their
statements as `interruptible`, which has no effect outside of a `Cancellation`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Protocol, TypeVar

Result = TypeVar("Result")
_CHECK_INTERVAL_S = 0.2


class Lock(Protocol):
    """What `threading.Lock` and `threading.RLock` have in common."""

    def acquire(self, blocking: bool = ..., timeout: float = ...) -> bool: ...

    def release(self) -> None: ...


class Cancelled(Exception):
    """The work was cancelled: its result is no longer needed."""


class Cancellation:
    """Work in one thread that another thread can end."""

    def __init__(self) -> None:
        self._event = threading.Event()
        # Locked while interrupts are sent: a late one would end another user's statement.
        self._mutex = threading.Lock()
        self._interrupts: list[Callable[[], object]] = []

    @property
    def is_cancelled(self) -> bool:
        return self._event.is_set()

    def run(self, work: Callable[[], Result]) -> Result:
        """Run `work` and return its result; raise Cancelled if it was cancelled before the end."""
        token = _current.set(self)
        try:
            self.raise_if_cancelled()
            return work()
        finally:
            _current.reset(token)

    def cancel(self) -> None:
        """Interrupt the running statement, and start no other.

        Call it again until the work has ended: an engine may drop an interrupt that arrives before
        the statement does. It returns when the engine has accepted the interrupt.
        """
        self._event.set()
        with self._mutex:
            for interrupt in self._interrupts:
                with suppress(Exception):  # the statement may have ended, or the network be down
                    interrupt()

    def raise_if_cancelled(self) -> None:
        if self.is_cancelled:
            raise Cancelled

    def sleep(self, seconds: float) -> None:
        """Wait; raise Cancelled as soon as the work is cancelled."""
        self._event.wait(seconds)
        self.raise_if_cancelled()

    @contextmanager
    def interruptible(self, interrupt: Callable[[], object]) -> Iterator[None]:
        """Context of a statement that `interrupt`, called from another thread, ends."""
        with self._mutex:
            self._interrupts.append(interrupt)
        try:
            self.raise_if_cancelled()
            yield
        except Exception as error:
            if self.is_cancelled and not isinstance(error, Cancelled):
                raise Cancelled from error
            raise
        finally:
            with self._mutex:
                self._interrupts.remove(interrupt)
        self.raise_if_cancelled()


_current: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


def is_cancellable() -> bool:
    """Whether the work of this thread can be cancelled."""
    return _current.get() is not None


def raise_if_cancelled() -> None:
    """Raise Cancelled if the work of this thread was cancelled."""
    if (cancellation := _current.get()) is not None:
        cancellation.raise_if_cancelled()


@contextmanager
def interruptible(interrupt: Callable[[], object]) -> Iterator[None]:
    """Context of a statement that `interrupt` ends from another thread; then raises Cancelled."""
    if (cancellation := _current.get()) is None:
        yield
        return
    with cancellation.interruptible(interrupt):
        yield


def sleep(seconds: float) -> None:
    """Wait; raise Cancelled as soon as the work of this thread is cancelled."""
    if (cancellation := _current.get()) is None:
        time.sleep(seconds)
    else:
        cancellation.sleep(seconds)


@contextmanager
def hold(lock: Lock) -> Iterator[None]:
    """Hold a lock; raise Cancelled if this thread's work is cancelled while it waits."""
    while not lock.acquire(timeout=_CHECK_INTERVAL_S):
        raise_if_cancelled()
    try:
        yield
    finally:
        lock.release()

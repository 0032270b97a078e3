"""SIGINT and SIGTERM: the first one ends the command, whatever the command is doing.

A signal handler that raises is not enough. Dagster installs handlers of its own for the time of a
run and, after it, copies SIGINT's handler to SIGTERM. DuckDB replaces what a handler raises by
`RuntimeError: Query interrupted`. A library may wait in C code, or for its threads. So signals are
also read from a wakeup descriptor, which receives them whoever handles them; `received` reports
them, and a process that has not ended `GRACE_S` seconds later is ended.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from types import FrameType
from typing import Any, Protocol
from weakref import WeakSet

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Ignored where no handler is installed, and used by nobody else.
_WAKER = signal.SIGURG
# No signal's number: an exception of ours was dropped.
_DROPPED = 255
MESSAGE = "interrupted; what was done so far stays"
# How long a command may clean up after a signal: roll back, record its run as canceled.
GRACE_S = 5.0
# `make` and `timeout` pass on what the terminal has sent as well: that is still the first signal.
_SAME_SIGNAL_S = 1.0
_LAST_ACT_S = 2.0
# How long DuckDB may take to notice a signal: while a join's task lasts, it does not.
_STATEMENT_S = 0.5


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM has arrived; `exit_code` is what a shell expects of it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


class Interruptible(Protocol):
    """Something that waits in C code and can be stopped from another thread."""

    def interrupt(self) -> None: ...


def received() -> int | None:
    """The signal that is to end this command, or None."""
    return _watch.received() if _watch is not None else None


def raise_if_received() -> None:
    """Raise Interrupted if a signal is to end this command."""
    if (signum := received()) is not None:
        raise Interrupted(signum)


@contextmanager
def handle_signals(*, owns_process: bool) -> Iterator[None]:
    """Raise Interrupted in the main thread on the first SIGINT or SIGTERM.

    Both are handled even where the parent process ignored them: a shell script ignores SIGINT for
    its background jobs, and a load that nothing but SIGKILL can end helps nobody.

    With `owns_process`, the process is ended if it still runs `GRACE_S` seconds after a signal, or
    when another one arrives. Outside the main thread nothing happens: only there Python allows it.
    """
    global _watch
    if threading.current_thread() is not threading.main_thread() or _watch is not None:
        yield
        return
    watch = _watch = _Watch(owns_process)
    handlers = {signum: signal.getsignal(signum) for signum in SIGNALS}
    try:
        watch.start()
        for signum in SIGNALS:
            signal.signal(signum, watch.handle)
        yield
    finally:
        # The interpreter may still wait for threads; the watch lasts until the process has ended.
        if not (owns_process and watch.received() is not None):
            _restore(handlers)
            watch.stop()
            _watch = None


@contextmanager
def around_dagster_run() -> Iterator[None]:
    """Restore the handlers of SIGINT and SIGTERM afterwards: Dagster leaves its own behind.

    While signals are handled here, SIGINT does not reach what Dagster starts to copy a run's
    output: a terminal sends it to the whole process group, and they answer with tracebacks.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {signum: signal.getsignal(signum) for signum in SIGNALS}
    try:
        with hold_sigint() if _watch is not None else nullcontext():
            yield
    finally:
        _restore(handlers)


@contextmanager
def deferred() -> Iterator[None]:
    """Let this finish before a signal is answered, whoever handles it.

    For what must not be left half-way: an exception in the middle of a transaction of Dagster's
    SQLite files leaves it open, and all that the same process records later waits for it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[tuple[int, FrameType | None]] = []
    handlers = {signum: signal.getsignal(signum) for signum in SIGNALS}
    for signum, handler in handlers.items():
        if callable(handler):
            signal.signal(signum, lambda *caught: arrived.append(caught))
    try:
        yield
    finally:
        _restore(handlers)
        for number, frame in arrived[:1]:
            handler = handlers[signal.Signals(number)]
            if callable(handler):
                handler(number, frame)


def report() -> None:
    """Print the message of an interrupted command, once."""
    global _is_reported
    if not _is_reported:
        _is_reported = _watch is not None
        with suppress(OSError, ValueError):
            print(MESSAGE, file=sys.stderr, flush=True)


def interrupt_on_signal(waiting: Interruptible) -> None:
    """Call `interrupt` of this object, as long as it lives, when a signal arrives."""
    _interruptible.add(waiting)


@contextmanager
def before_exit(last_act: Callable[[], object]) -> Iterator[None]:
    """Call `last_act`, for two seconds at most, if the process has to be ended meanwhile."""
    _last_acts.append(last_act)
    try:
        yield
    finally:
        _last_acts.remove(last_act)


@contextmanager
def hold_sigint() -> Iterator[None]:
    """Start processes that SIGINT does not reach, as long as they do not unblock it.

    This process receives it in another thread, which wakes the main thread up.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """In a worker process: leave SIGINT to the parent, which ends its workers by SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """In a worker process: remove what is half written when SIGTERM comes, and then end."""
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(signum: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signum)


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for signum, handler in handlers.items():
        # None is a handler that was not installed by Python, and cannot be by Python.
        if handler is not None:
            signal.signal(signum, handler)


class _Watch:
    """A thread that reads the wakeup descriptor, and what it has read."""

    def __init__(self, owns_process: bool) -> None:
        self._owns_process = owns_process
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._signum: int | None = None
        self._at: float | None = None
        self._has_raised = False
        self._timer: threading.Timer | None = None
        self._former_fd = -1
        self._former_waker: Any = None
        self._former_hook: Any = None
        # A copy: Dagster redirects standard error to a file for the time of a step.
        self._stderr = os.dup(2)

    def start(self) -> None:
        self._former_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._former_waker = signal.signal(_WAKER, _wake)
        self._former_hook, sys.unraisablehook = sys.unraisablehook, self._raise_again
        threading.Thread(target=self._read, name="signals", daemon=True).start()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        signal.set_wakeup_fd(self._former_fd)
        sys.unraisablehook = self._former_hook
        if self._former_waker is not None:
            signal.signal(_WAKER, self._former_waker)
        os.close(self._stderr)
        self._writer.close()  # the thread reads the end, and closes its own

    def received(self) -> int | None:
        """The first signal, also while the thread has yet to be scheduled."""
        if self._signum is None:
            with suppress(OSError):  # nothing is there
                arrived = self._reader.recv(64, socket.MSG_PEEK | socket.MSG_DONTWAIT)
                return next(filter(SIGNALS.__contains__, arrived), self._signum)
        return self._signum

    def handle(self, signum: int, _frame: FrameType | None) -> None:
        if self.received() is None:  # an event loop has a wakeup descriptor of its own
            with suppress(OSError):
                self._writer.send(bytes([signum]))
        # Once: what the first one has caused, rollbacks among it, is not to be interrupted.
        if not self._has_raised:
            self._has_raised = True
            raise Interrupted(signum)

    def _raise_again(self, unraisable: Any) -> None:
        """What is raised in a finalizer or a callback is dropped, with a traceback on top."""
        if not isinstance(unraisable.exc_value, Interrupted):
            self._former_hook(unraisable)
            return
        self._has_raised = False
        with suppress(OSError):
            self._writer.send(bytes([_DROPPED]))

    def _read(self) -> None:
        with self._reader:
            # Known before it is taken: `received` finds it in one place or the other.
            while arrived := self._reader.recv(64, socket.MSG_PEEK):
                if self._signum is None:
                    self._signum = next(filter(SIGNALS.__contains__, arrived), None)
                self._reader.recv(len(arrived))
                for signum in arrived:
                    if signum in SIGNALS:
                        self._note()
                    elif signum == _DROPPED and self._signum is not None:
                        time.sleep(_STATEMENT_S)
                        signal.pthread_kill(_main_thread_id(), self._signum)

    def _note(self) -> None:
        if self._at is not None:
            if time.monotonic() - self._at > _SAME_SIGNAL_S:
                self._end_process()
            return
        self._at = time.monotonic()
        # It may wait in a system call with SIGINT blocked, and handlers run in no other thread.
        signal.pthread_kill(_main_thread_id(), _WAKER)
        if self._owns_process:
            self._timer = threading.Timer(GRACE_S, self._end_process)
            self._timer.daemon = True
            self._timer.start()
        # Most statements end by themselves, and what a rollback closes is better left alone.
        time.sleep(_STATEMENT_S)
        for waiting in list(_interruptible):
            with suppress(Exception):  # it may be closed by now
                waiting.interrupt()

    def _end_process(self) -> None:
        if not self._owns_process or self._signum is None:
            return
        acting = threading.Thread(target=_act_last, daemon=True)
        acting.start()
        acting.join(_LAST_ACT_S)
        if "multiprocessing" in sys.modules:
            import multiprocessing

            for worker in multiprocessing.active_children():
                worker.kill()
        shown = "" if _is_reported else f"{MESSAGE}\n"
        if os.isatty(self._stderr):
            shown = f"\x1b[?25h\n{shown}"  # a progress bar has hidden the cursor
        with suppress(OSError):
            os.write(self._stderr, shown.encode())
        os._exit(128 + self._signum)


def _wake(_signum: int, _frame: FrameType | None) -> None:
    """Nothing: a system call that is interrupted lets the handlers of other signals run."""


def _main_thread_id() -> int:
    found = threading.main_thread().ident
    assert found is not None
    return found


def _act_last() -> None:
    for last_act in list(_last_acts):
        with suppress(Exception):
            last_act()


_watch: _Watch | None = None
_is_reported = False
_interruptible: WeakSet[Interruptible] = WeakSet()
_last_acts: list[Callable[[], object]] = []

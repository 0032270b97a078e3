"""SIGINT and SIGTERM: the first signal ends the command, whatever it is doing.

A signal handler that raises is not enough. Dagster installs its own handlers during a run, and
copies SIGINT's handler to SIGTERM after it. DuckDB replaces the exception of a handler by
`RuntimeError: Query interrupted`. A library may wait in C code, or for its threads. So signals are
also read from a wakeup descriptor, which receives them independently of handlers.
`received_signal` reports them, and a process that still runs `GRACE_S` seconds later is ended.
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
# Ignored by default, and not used for anything else.
_WAKER = signal.SIGURG
# Not the number of a signal: an `Interrupted` was dropped.
_DROPPED = 255
MESSAGE = "interrupted; what was done so far stays"
# Time to clean up after a signal: roll back, record the run as canceled.
GRACE_S = 5.0
# `make` and `timeout` forward a signal that the terminal sends too: both count as one signal.
_SAME_SIGNAL_S = 1.0
_EXIT_CALLBACK_TIMEOUT_S = 2.0
# How long DuckDB may take to notice a signal: it does not during a task of a join.
_STATEMENT_S = 0.5


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM has arrived; `exit_code` follows the shell's convention."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


class Interruptible(Protocol):
    """Something that waits in C code and can be stopped from another thread."""

    def interrupt(self) -> None: ...


def received_signal() -> int | None:
    """The signal that ends this command, or None."""
    return _watch.received_signal() if _watch is not None else None


def raise_if_received() -> None:
    """Raise Interrupted if a signal has arrived."""
    if (signum := received_signal()) is not None:
        raise Interrupted(signum)


@contextmanager
def handle_signals(*, owns_process: bool) -> Iterator[None]:
    """Raise Interrupted in the main thread on the first SIGINT or SIGTERM.

    Both are handled even if the parent process ignored them, as a shell script ignores SIGINT for
    its background jobs: a load must not require SIGKILL.

    With `owns_process`, the process is ended if it still runs `GRACE_S` seconds after a signal, or
    if a second signal arrives. Outside the main thread this does nothing, because Python allows
    signal handlers only there.
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
        # The interpreter may still wait for threads, so keep watching until the process has ended.
        if not (owns_process and watch.received_signal() is not None):
            _restore(handlers)
            watch.stop()
            _watch = None


@contextmanager
def around_dagster_run() -> Iterator[None]:
    """Restore the handlers of SIGINT and SIGTERM afterwards, because Dagster leaves its own.

    While `handle_signals` is active, SIGINT does not reach the processes that Dagster starts to
    copy a run's output. A terminal sends it to the whole process group, and they would print
    tracebacks.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {signum: signal.getsignal(signum) for signum in SIGNALS}
    try:
        with block_sigint() if _watch is not None else nullcontext():
            yield
    finally:
        _restore(handlers)


@contextmanager
def defer_signals() -> Iterator[None]:
    """Handle signals after this block.

    An exception during a transaction in Dagster's SQLite files would leave it open, and later
    records of the same process would wait for it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[tuple[int, FrameType | None]] = []
    handlers = {signum: signal.getsignal(signum) for signum in SIGNALS}
    for signum, handler in handlers.items():
        if callable(handler):
            signal.signal(signum, lambda *args: arrived.append(args))
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
    """Call `interrupt` of this object when a signal arrives; a weak reference is kept."""
    _interruptible.add(waiting)


@contextmanager
def before_exit(callback: Callable[[], object]) -> Iterator[None]:
    """Call `callback` if the process has to be ended during this block, for two seconds at most."""
    _exit_callbacks.append(callback)
    try:
        yield
    finally:
        _exit_callbacks.remove(callback)


@contextmanager
def block_sigint() -> Iterator[None]:
    """Block SIGINT in processes started in this block, unless they unblock it.

    This process receives it in another thread, which wakes up the main thread.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """In a worker process: ignore SIGINT; the parent handles it and ends its workers by SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """In a worker process: exit by an exception on SIGTERM, so that partial files are removed."""
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(signum: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signum)


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for signum, handler in handlers.items():
        # None: the handler was not installed by Python, so Python cannot restore it.
        if handler is not None:
            signal.signal(signum, handler)


class _Watch:
    """A thread that reads the wakeup descriptor, and the signal that it has read."""

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
        # A copy, because Dagster redirects standard error to a file during a step.
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
        self._writer.close()  # the thread reads end of file, and closes its own

    def received_signal(self) -> int | None:
        """The first signal, even before the thread has read it."""
        if self._signum is None:
            with suppress(OSError):  # no signal
                arrived = self._reader.recv(64, socket.MSG_PEEK | socket.MSG_DONTWAIT)
                return next(filter(SIGNALS.__contains__, arrived), self._signum)
        return self._signum

    def handle(self, signum: int, _frame: FrameType | None) -> None:
        if self.received_signal() is None:  # an event loop has its own wakeup descriptor
            with suppress(OSError):
                self._writer.send(bytes([signum]))
        # Only once: a second signal must not interrupt the rollback.
        if not self._has_raised:
            self._has_raised = True
            raise Interrupted(signum)

    def _raise_again(self, unraisable: Any) -> None:
        """Python drops exceptions of finalizers and callbacks; send the signal again."""
        if not isinstance(unraisable.exc_value, Interrupted):
            self._former_hook(unraisable)
            return
        self._has_raised = False
        with suppress(OSError):
            self._writer.send(bytes([_DROPPED]))

    def _read(self) -> None:
        with self._reader:
            # Store the signal before taking it: `received_signal` reads one of both places.
            while arrived := self._reader.recv(64, socket.MSG_PEEK):
                if self._signum is None:
                    self._signum = next(filter(SIGNALS.__contains__, arrived), None)
                self._reader.recv(len(arrived))
                for signum in arrived:
                    if signum in SIGNALS:
                        self._on_signal()
                    elif signum == _DROPPED and self._signum is not None:
                        time.sleep(_STATEMENT_S)
                        signal.pthread_kill(_main_thread_id(), self._signum)

    def _on_signal(self) -> None:
        if self._at is not None:
            if time.monotonic() - self._at > _SAME_SIGNAL_S:
                self._end_process()
            return
        self._at = time.monotonic()
        # The main thread, which runs handlers, may wait in a system call with SIGINT blocked.
        signal.pthread_kill(_main_thread_id(), _WAKER)
        if self._owns_process:
            self._timer = threading.Timer(GRACE_S, self._end_process)
            self._timer.daemon = True
            self._timer.start()
        # Most statements end within this time; a rollback must not be disturbed.
        time.sleep(_STATEMENT_S)
        for waiting in list(_interruptible):
            with suppress(Exception):  # it may be closed already
                waiting.interrupt()

    def _end_process(self) -> None:
        if not self._owns_process or self._signum is None:
            return
        callbacks = threading.Thread(target=_run_exit_callbacks, daemon=True)
        callbacks.start()
        callbacks.join(_EXIT_CALLBACK_TIMEOUT_S)
        if "multiprocessing" in sys.modules:
            import multiprocessing

            for worker in multiprocessing.active_children():
                worker.kill()
        text = "" if _is_reported else f"{MESSAGE}\n"
        if os.isatty(self._stderr):
            text = f"\x1b[?25h\n{text}"  # a progress bar has hidden the cursor
        with suppress(OSError):
            os.write(self._stderr, text.encode())
        os._exit(128 + self._signum)


def _wake(_signum: int, _frame: FrameType | None) -> None:
    """Do nothing: the interrupted system call lets handlers of other signals run."""


def _main_thread_id() -> int:
    thread_id = threading.main_thread().ident
    assert thread_id is not None
    return thread_id


def _run_exit_callbacks() -> None:
    for callback in list(_exit_callbacks):
        with suppress(Exception):
            callback()


_watch: _Watch | None = None
_is_reported = False
_interruptible: WeakSet[Interruptible] = WeakSet()
_exit_callbacks: list[Callable[[], object]] = []

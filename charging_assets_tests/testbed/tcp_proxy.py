"""A TCP proxy that breaks connections: cut at a byte, reset, delayed, or slow."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

_CHUNK = 1 << 16


@dataclass(frozen=True)
class Behaviour:
    """The faults of a connection; by default there are none.

    The connection is cut after exactly that many bytes to the server (`sent`) or to the client
    (`received`). With `is_reset` the client gets an RST, otherwise an orderly end. `delay_s` is the
    delay before each piece of at most `piece` bytes.
    """

    cut_after_sent: int | None = None
    cut_after_received: int | None = None
    is_reset: bool = False
    delay_s: float = 0.0
    piece: int = _CHUNK


class TcpProxy:
    """Listens on 127.0.0.1 and forwards to `target`; `behave(n)` are the faults of connection n.

    `traffic` has the bytes sent and received by each connection.
    """

    def __init__(
        self, target: tuple[str, int], behave: Callable[[int], Behaviour] | None = None
    ) -> None:
        self._target = target
        self.behave = behave or (lambda number: Behaviour())
        self.traffic: list[list[int]] = []
        self._open: set[socket.socket] = set()
        self._mutex = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> TcpProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop listening and cut open connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut_all()

    def cut_all(self) -> None:
        """Cut all open connections."""
        with self._mutex:
            connections = list(self._open)
        for connection in connections:
            _end(connection)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # stopped
            number = len(self.traffic)
            self.traffic.append([0, 0])
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            with self._mutex:
                self._open |= {client, server}
            behaviour = self.behave(number)
            for source, sink, which, cut in (
                (client, server, 0, behaviour.cut_after_sent),
                (server, client, 1, behaviour.cut_after_received),
            ):
                direction = _Direction(
                    source, sink, client, cut, behaviour, self.traffic[number], which
                )
                threading.Thread(target=self._forward, args=(direction,), daemon=True).start()

    def _forward(self, direction: _Direction) -> None:
        with contextlib.suppress(OSError):
            direction.run()
        for connection in (direction.source, direction.sink):
            is_reset = direction.behaviour.is_reset and connection is direction.client
            (_reset if is_reset else _end)(connection)
        with self._mutex:
            self._open -= {direction.source, direction.sink}


@dataclass
class _Direction:
    """One direction of a connection."""

    source: socket.socket
    sink: socket.socket
    client: socket.socket
    cut_after: int | None
    behaviour: Behaviour
    traffic: list[int]
    which: int

    def run(self) -> None:
        while self.cut_after is None or self.traffic[self.which] < self.cut_after:
            limit = self.behaviour.piece
            if self.cut_after is not None:
                limit = min(limit, self.cut_after - self.traffic[self.which])
            piece = self.source.recv(limit)
            if not piece:
                return
            if self.behaviour.delay_s:
                time.sleep(self.behaviour.delay_s)
            self.sink.sendall(piece)
            self.traffic[self.which] += len(piece)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def _reset(connection: socket.socket) -> None:
    """End a connection by RST: closing without lingering sends one."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # The socket closes only when no thread waits for it any more.
        connection.shutdown(socket.SHUT_RD)
    connection.close()

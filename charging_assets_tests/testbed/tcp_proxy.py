"""A TCP proxy that breaks connections: cut at a byte, reset, delayed, dripping.

Belongs here: faults of bytes in either direction, whatever they say. Does not belong here: HTTP
(`storage/faulty_s3`) or SQL (`statement_faults`).
"""

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
    """How a connection is treated; as it stands, it is only passed on.

    A cut comes when that many bytes went to the server (`sent`) or to the client (`received`);
    exactly so many arrive. `is_reset` tells the client by RST, else by an orderly end. `delay_s`
    is before each piece, `piece` the greatest number of bytes in one.
    """

    cut_after_sent: int | None = None
    cut_after_received: int | None = None
    is_reset: bool = False
    delay_s: float = 0.0
    piece: int = _CHUNK


class TcpProxy:
    """Listens on 127.0.0.1 and passes on to `target`; the n-th connection behaves as `behave(n)`.

    `traffic` holds, for each connection, the bytes that were sent and received.
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
        """Listen no more and cut what is open."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut_all()

    def cut_all(self) -> None:
        """Cut every connection that is open now."""
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
                passing = _Passing(
                    source, sink, client, cut, behaviour, self.traffic[number], which
                )
                threading.Thread(target=self._pass, args=(passing,), daemon=True).start()

    def _pass(self, passing: _Passing) -> None:
        with contextlib.suppress(OSError):
            passing.run()
        for connection in (passing.source, passing.sink):
            is_reset = passing.behaviour.is_reset and connection is passing.client
            (_reset if is_reset else _end)(connection)
        with self._mutex:
            self._open -= {passing.source, passing.sink}


@dataclass
class _Passing:
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
    """End a connection by RST, which is what closing does with nothing to linger for."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Only once no thread waits for it any more does the socket really close.
        connection.shutdown(socket.SHUT_RD)
    connection.close()

"""A real HTTP server on 127.0.0.1 that answers each path well or badly, as a test says.

Belongs here: the server and the behaviours. Does not belong here: what
the answers should come to (the tests say) or stations that look real (the simulator makes them).
"""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

HTML = b"<html><body>We are maintaining our service.</body></html>"
OK = b'{"data": [], "status_code": 1000, "timestamp": "2024-05-01T12:00:00+02:00"}'
_MB = 1024**2

Behaviour = Callable[["Handler"], None]


@dataclass
class Seen:
    """A request that arrived: its path, its headers and when (seconds, monotonic)."""

    path: str
    headers: Mapping[str, str]
    at: float = field(default_factory=time.monotonic)


class Handler(BaseHTTPRequestHandler):
    """Answers a GET by the behaviour of its path; paths without one answer well."""

    protocol_version = "HTTP/1.1"
    # Else a reused connection waits 40 ms for its acknowledgement, and benches would count that.
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        loopback = self.server.loopback
        loopback.seen.append(Seen(self.path, dict(self.headers)))
        try:
            loopback.behaviours.get(self.path.split("?")[0].lstrip("/"), reply())(self)
        except OSError:
            # The client hung up, as it should on most of these.
            self.close_connection = True

    def begin(self, status: int = 200, **headers: object) -> None:
        """The status line and the headers; an underscore in a name is a hyphen."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def log_message(self, *_: object) -> None:
        """Silence: pytest shows what was seen."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    loopback: Loopback

    def handle_error(self, *_: object) -> None:
        """Silence: a client that refuses our certificate is what was wanted."""


class Loopback:
    """The server, running while it is a context. `behaviours` may be changed at any time."""

    def __init__(self, certificate: tuple[Path, Path] | None = None, **behaviours: Behaviour):
        self.behaviours = dict(behaviours)
        self.seen: list[Seen] = []
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.loopback = self
        self.port = self._server.server_address[1]
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            # The handshake belongs into the request's thread, not into the one that accepts.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def paths(self) -> list[str]:
        return [seen.path for seen in self.seen]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def reply(body: bytes = OK, status: int = 200, delay_s: float = 0, **headers: object) -> Behaviour:
    """A whole answer, after a while."""

    def behave(handler: Handler) -> None:
        time.sleep(delay_s)
        handler.begin(status, Content_Length=len(body), **headers)
        handler.wfile.write(body)

    return behave


def html() -> Behaviour:
    return reply(HTML, Content_Type="text/html")


def redirect(
    location: str, status: int = 302, body: bytes = b"moved", **headers: object
) -> Behaviour:
    return reply(body, status, Location=location, **headers)


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """The first one, then the next, and the last for ever."""
    left = list(behaviours)

    def behave(handler: Handler) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(handler)

    return behave


def _drip(handler: Handler, data: bytes, gap_s: float) -> None:
    for byte in data:
        handler.wfile.write(bytes([byte]))
        time.sleep(gap_s)


def drip_body(gap_s: float = 0.05) -> Behaviour:
    """A body of one byte at a time, for longer than any test has patience."""

    def behave(handler: Handler) -> None:
        handler.begin(Content_Length=100_000)
        _drip(handler, b" " * 100_000, gap_s)

    return behave


def drip_headers(gap_s: float = 0.05) -> Behaviour:
    """A status line, and a header that never ends."""

    def behave(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        _drip(handler, b"x" * 60_000, gap_s)

    return behave


def silence() -> Behaviour:
    """The request is taken, and nothing is ever said."""
    return lambda handler: time.sleep(60)


@cache
def _bomb(decoded_mb: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(bytes(_MB)) for _ in range(decoded_mb)) + packer.flush()


def gzip_bomb(decoded_mb: int = 128, status: int = 200, **headers: object) -> Behaviour:
    """A small body that inflates to a thousand times its size."""
    return reply(_bomb(decoded_mb), status, Content_Encoding="gzip", **headers)


def large(mb: int = 100, *, is_declared: bool = True) -> Behaviour:
    """A body of so many MB, with its length or in chunks without one."""

    def behave(handler: Handler) -> None:
        length = {"Content_Length": mb * _MB} if is_declared else {"Transfer_Encoding": "chunked"}
        handler.begin(**length)
        for _ in range(mb):
            (handler.wfile.write if is_declared else handler.chunk)(b" " * _MB)
        handler.close_connection = True

    return behave


def truncated(body: bytes = OK, missing: int = 10) -> Behaviour:
    """A body that ends before its Content-Length does."""

    def behave(handler: Handler) -> None:
        handler.begin(Content_Length=len(body) + missing)
        handler.wfile.write(body)
        handler.close_connection = True

    return behave


def truncated_chunks(body: bytes = OK) -> Behaviour:
    """Chunks of which the last is missing."""

    def behave(handler: Handler) -> None:
        handler.begin(Transfer_Encoding="chunked")
        handler.chunk(body)
        handler.close_connection = True

    return behave


def broken_chunks(body: bytes = OK) -> Behaviour:
    """A chunk, and then something that is none."""

    def behave(handler: Handler) -> None:
        handler.begin(Transfer_Encoding="chunked")
        handler.chunk(body)
        handler.wfile.write(b"this is no chunk\r\n")
        handler.close_connection = True

    return behave


def truncated_gzip(body: bytes = OK * 100) -> Behaviour:
    """A gzip whose HTTP message is whole, but which is not."""
    return reply(gzip.compress(body)[:-12], Content_Encoding="gzip")


def reset() -> Behaviour:
    """The connection is torn down, with RST, before a word is said."""

    def behave(handler: Handler) -> None:
        linger = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.connection.shutdown(socket.SHUT_RD)
        handler.close_connection = True
        handler.rfile.close()
        handler.wfile.close()
        handler.connection.close()

    return behave

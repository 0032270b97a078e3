"""A real HTTP server on 127.0.0.1 with a configurable behaviour, good or faulty, for each path."""

from __future__ import annotations

import gzip
import json
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
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

HTML = b"<html><body>We are maintaining our service.</body></html>"
OK = b'{"data": [], "status_code": 1000, "timestamp": "2024-05-01T12:00:00+02:00"}'
_MB = 1024**2

Behaviour = Callable[["Handler"], None]


@dataclass
class ReceivedRequest:
    """A request that arrived: its path, its headers and when (seconds, monotonic)."""

    path: str
    headers: Mapping[str, str]
    at: float = field(default_factory=time.monotonic)


class Handler(BaseHTTPRequestHandler):
    """Answers a GET with the behaviour of its path; by default with a valid answer."""

    protocol_version = "HTTP/1.1"
    # Otherwise a reused connection waits 40 ms for an acknowledgement, which benches would count.
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        loopback = self.server.loopback
        loopback.received.append(ReceivedRequest(self.path, dict(self.headers)))
        try:
            loopback.behaviours.get(self.path.split("?")[0].lstrip("/"), reply())(self)
        except OSError:
            # The client closed the connection, as it should for most behaviours.
            self.close_connection = True

    def begin(self, status: int = 200, **headers: object) -> None:
        """Send the status line and the headers; underscores in names become hyphens."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def log_message(self, *_: object) -> None:
        """No log: tests use `Loopback.received`."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    loopback: Loopback

    def handle_error(self, *_: object) -> None:
        """No log: clients are expected to refuse the certificate."""


class Loopback:
    """The server, as a context manager. `behaviours` may be changed at any time."""

    def __init__(
        self,
        certificate: tuple[Path, Path] | None = None,
        client_certificate: Path | None = None,
        **behaviours: Behaviour,
    ):
        self.behaviours = dict(behaviours)
        self.received: list[ReceivedRequest] = []
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.loopback = self
        self.port = self._server.server_address[1]
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            if client_certificate:
                context.load_verify_locations(client_certificate)
                context.verify_mode = ssl.CERT_REQUIRED
            # The handshake must run in the thread of the request, not in the accepting one.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def paths(self) -> list[str]:
        return [request.path for request in self.received]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def reply(body: bytes = OK, status: int = 200, delay_s: float = 0, **headers: object) -> Behaviour:
    """A complete response after a delay."""

    def behave(handler: Handler) -> None:
        time.sleep(delay_s)
        handler.begin(status, Content_Length=len(body), **headers)
        handler.wfile.write(body)

    return behave


def query_of(handler: Handler) -> dict[str, str]:
    """The parameters of a request's URL; the last one of a name."""
    return dict(parse_qsl(urlsplit(handler.path).query))


@dataclass
class Pages:
    """A list in pages, by link, offset or cursor. `faults` replace the response of a page.

    `total` is the X-Total-Count of each page in turn, by default the number of records.
    """

    records: list[Any]
    style: str
    size: int = 2
    total: list[int | None] = field(default_factory=list)
    faults: dict[int, Behaviour] = field(default_factory=dict)
    served: int = 0

    def __call__(self, handler: Handler) -> None:
        query = query_of(handler)
        size = min(int(query.get("limit", self.size)), self.size)
        begin = int(query.get("offset") or query.get("cursor") or query.get("page") or 0)
        fault = self.faults.get(begin // size)
        self.served += 1
        if fault:
            fault(handler)
            return
        page, end = self.records[begin : begin + size], begin + size
        following = end if end < len(self.records) else None
        path = handler.path.split("?")[0]
        headers: dict[str, object] = {}
        if self.style == "cursor":
            body = json.dumps({"next": following and str(following), "items": page})
        else:
            body = json.dumps({"data": page})
            total = self.total[min(self.served, len(self.total)) - 1] if self.total else None
            total = len(self.records) if not self.total else total
            headers |= {} if total is None else {"X_Total_Count": total}
        if self.style == "offset":
            headers["X_Limit"] = self.size
        if self.style == "links" and following is not None:
            headers["Link"] = f'<{path}?page={following}>; rel="next"'
        reply(body.encode(), **headers)(handler)


def html() -> Behaviour:
    return reply(HTML, Content_Type="text/html")


def redirect(
    location: str, status: int = 302, body: bytes = b"moved", **headers: object
) -> Behaviour:
    return reply(body, status, Location=location, **headers)


def sequence(*behaviours: Behaviour) -> Behaviour:
    """One behaviour for each request in turn; the last one is repeated."""
    remaining = list(behaviours)

    def behave(handler: Handler) -> None:
        (remaining.pop(0) if len(remaining) > 1 else remaining[0])(handler)

    return behave


def _drip(handler: Handler, data: bytes, gap_s: float) -> None:
    for byte in data:
        handler.wfile.write(bytes([byte]))
        time.sleep(gap_s)


def drip_body(gap_s: float = 0.05) -> Behaviour:
    """A body of one byte at a time, for longer than any test waits."""

    def behave(handler: Handler) -> None:
        handler.begin(Content_Length=100_000)
        _drip(handler, b" " * 100_000, gap_s)

    return behave


def drip_headers(gap_s: float = 0.05) -> Behaviour:
    """A status line and a header that never ends."""

    def behave(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        _drip(handler, b"x" * 60_000, gap_s)

    return behave


def silence() -> Behaviour:
    """The request is accepted and never answered."""
    return lambda handler: time.sleep(60)


@cache
def _bomb(decoded_mb: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(bytes(_MB)) for _ in range(decoded_mb)) + packer.flush()


def gzip_bomb(decoded_mb: int = 128, status: int = 200, **headers: object) -> Behaviour:
    """A small body that decompresses to a thousand times its size."""
    return reply(_bomb(decoded_mb), status, Content_Encoding="gzip", **headers)


def large(mb: int = 100, *, is_declared: bool = True) -> Behaviour:
    """A body of `mb` MB, with Content-Length or in chunks."""

    def behave(handler: Handler) -> None:
        length = {"Content_Length": mb * _MB} if is_declared else {"Transfer_Encoding": "chunked"}
        handler.begin(**length)
        for _ in range(mb):
            (handler.wfile.write if is_declared else handler.chunk)(b" " * _MB)
        handler.close_connection = True

    return behave


def truncated(body: bytes = OK, missing: int = 10) -> Behaviour:
    """A body shorter than its Content-Length."""

    def behave(handler: Handler) -> None:
        handler.begin(Content_Length=len(body) + missing)
        handler.wfile.write(body)
        handler.close_connection = True

    return behave


def truncated_chunks(body: bytes = OK) -> Behaviour:
    """A chunked body without its last chunk."""

    def behave(handler: Handler) -> None:
        handler.begin(Transfer_Encoding="chunked")
        handler.chunk(body)
        handler.close_connection = True

    return behave


def broken_chunks(body: bytes = OK) -> Behaviour:
    """A chunk followed by invalid data."""

    def behave(handler: Handler) -> None:
        handler.begin(Transfer_Encoding="chunked")
        handler.chunk(body)
        handler.wfile.write(b"this is no chunk\r\n")
        handler.close_connection = True

    return behave


def truncated_gzip(body: bytes = OK * 100) -> Behaviour:
    """A truncated gzip body in a complete HTTP message."""
    return reply(gzip.compress(body)[:-12], Content_Encoding="gzip")


def reset() -> Behaviour:
    """The connection is reset (RST) before any response."""

    def behave(handler: Handler) -> None:
        linger = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.connection.shutdown(socket.SHUT_RD)
        handler.close_connection = True
        handler.rfile.close()
        handler.wfile.close()
        handler.connection.close()

    return behave

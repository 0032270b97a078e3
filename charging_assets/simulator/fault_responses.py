"""Faulty HTTP responses: one method for each kind of fault."""

from __future__ import annotations

import socket
import struct
import threading
import zlib
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

from charging_assets.simulator.faults import Fault, FaultKind

_JSON, _HTML = "application/json; charset=utf-8", "text/html"
_CHUNK = 64 * 1024
_MEMBER_BYTES = 1 << 20
_DRIP_S = 0.1
_PAGE = b"<!DOCTYPE html><html><head><title>Wartung</title></head><body>Wartung</body></html>"


class FaultResponder:
    """Responds to one request with a fault; `answer` is the correct answer."""

    def __init__(
        self, handler: BaseHTTPRequestHandler, slug: str, answer: bytes, stopping: threading.Event
    ) -> None:
        self._handler, self._slug, self._answer = handler, slug, answer
        self._stopping = stopping

    def respond(self, fault: Fault) -> None:
        """Send the faulty response, completely or until the client disconnects."""
        responses: dict[FaultKind, Callable[[Fault], None]] = {
            FaultKind.STATUS_500: lambda f: self._fail(HTTPStatus.INTERNAL_SERVER_ERROR),
            FaultKind.STATUS_503: lambda f: self._fail(HTTPStatus.SERVICE_UNAVAILABLE),
            FaultKind.STATUS_429: self._too_many,
            FaultKind.HTML: lambda f: self._send(_PAGE, content_type=_HTML),
            FaultKind.EMPTY: lambda f: self._send(b""),
            FaultKind.TRUNCATED_JSON: lambda f: self._send(self._answer[: len(self._answer) // 2]),
            FaultKind.SHORT_BODY: self._short_body,
            FaultKind.NOT_UTF8: lambda f: self._send(self._answer.decode().encode("utf-16")),
            FaultKind.HUGE_BODY: self._huge_body,
            FaultKind.GZIP_BOMB: self._gzip_bomb,
            FaultKind.GZIP_MEMBERS: self._gzip_members,
            FaultKind.SLOW_DRIP: self._slow_drip,
            FaultKind.DELAY: self._delay,
            FaultKind.RESET: self._reset,
            FaultKind.REDIRECT: self._redirect,
            FaultKind.WRONG_SCHEMA: lambda f: self._send(b'{"stations": {"0": "none"}, "ok": 1}'),
            FaultKind.API_ERROR: lambda f: self._send(
                b'{"data": [], "status_code": 2001, "status_message": "Unknown location"}'
            ),
        }
        responses[fault.kind](fault)

    def _send(
        self,
        body: bytes,
        status: HTTPStatus = HTTPStatus.OK,
        content_type: str = _JSON,
        headers: dict[str, str] | None = None,
    ) -> None:
        self._begin(status, content_type, {"Content-Length": str(len(body)), **(headers or {})})
        self._handler.wfile.write(body)

    def _begin(self, status: HTTPStatus, content_type: str, headers: dict[str, str]) -> None:
        self._handler.send_response(status)
        self._handler.send_header("Content-Type", content_type)
        for name, value in headers.items():
            self._handler.send_header(name, value)
        self._handler.end_headers()

    def _fail(self, status: HTTPStatus, headers: dict[str, str] | None = None) -> None:
        page = f"<html><body><h1>{status.value} {status.phrase}</h1></body></html>".encode()
        self._send(page, status, _HTML, headers)

    def _too_many(self, fault: Fault) -> None:
        self._fail(HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": str(int(fault.seconds))})

    def _short_body(self, fault: Fault) -> None:
        """Send less than Content-Length and close the connection."""
        self._begin(HTTPStatus.OK, _JSON, {"Content-Length": str(len(self._answer))})
        self._handler.wfile.write(self._answer[: len(self._answer) // 2])
        self._handler.close_connection = True

    def _huge_body(self, fault: Fault) -> None:
        """Valid JSON with very much white space."""
        self._begin(HTTPStatus.OK, _JSON, {"Connection": "close"})
        left = fault.size - len(self._answer)
        while left > 0 and not self._stopping.is_set():
            self._handler.wfile.write(b" " * min(left, _CHUNK))
            left -= _CHUNK
        self._handler.wfile.write(self._answer)

    def _gzip_bomb(self, fault: Fault) -> None:
        self._send(_gzip_spaces(fault.size), headers={"Content-Encoding": "gzip"})

    def _gzip_members(self, fault: Fault) -> None:
        """A gzip file of very many members: some decoders take quadratic time."""
        members = _gzip_spaces(_MEMBER_BYTES) * max(1, fault.size // _MEMBER_BYTES)
        self._send(members, headers={"Content-Encoding": "gzip"})

    def _slow_drip(self, fault: Fault) -> None:
        """One byte at a time, without an end."""
        self._begin(HTTPStatus.OK, _JSON, {"Content-Length": str(len(self._answer))})
        for index in range(min(len(self._answer), int(fault.seconds / _DRIP_S))):
            self._handler.wfile.write(self._answer[index : index + 1])
            self._handler.wfile.flush()
            if self._stopping.wait(_DRIP_S):
                break
        self._handler.close_connection = True

    def _delay(self, fault: Fault) -> None:
        if not self._stopping.wait(fault.seconds):
            self._send(self._answer)

    def _reset(self, fault: Fault) -> None:
        """Close without lingering: the client gets a connection reset."""
        linger = struct.pack("ii", 1, 0)
        self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._handler.connection.close()
        self._handler.close_connection = True

    def _redirect(self, fault: Fault) -> None:
        """Redirect to another host name of this server, so that no request leaves loopback."""
        port = self._handler.connection.getsockname()[1]
        location = f"http://localhost:{port}/{self._slug}"
        self._fail(HTTPStatus.FOUND, {"Location": location})


@lru_cache(maxsize=2)
def _gzip_spaces(size: int) -> bytes:
    """`size` bytes of white space as gzip, a thousandth as long."""
    compressor = zlib.compressobj(level=9, wbits=31)
    whole, rest = divmod(size, _CHUNK)
    parts = [compressor.compress(b" " * _CHUNK) for _ in range(whole)]
    return b"".join([*parts, compressor.compress(b" " * rest), compressor.flush()])

"""A proxy in front of an S3 store that injects faults on demand, into requests or responses."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Fault = Callable[["_Handler"], None]


class FaultyS3:
    """A store's address at which requests meet faults, each once and in order, then none."""

    def __init__(self, endpoint_url: str) -> None:
        self.store = urlsplit(endpoint_url)
        self.faults: list[Fault] = []
        self.methods: list[str] = []
        self._server = _Server(self)
        self.endpoint_url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def next_fault(self) -> Fault:
        return self.faults.pop(0) if self.faults else answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, faulty: FaultyS3) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.faulty = faulty


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self.server.faulty.methods.append(self.command)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self.server.faulty.next_fault()(self)
        except OSError:
            self.close_connection = True

    do_PUT = do_HEAD = do_DELETE = do_POST = do_GET  # noqa: N815

    def forwarded(self) -> tuple[http.client.HTTPResponse, bytes]:
        """What the store answers to the request as it came, signature and all."""
        store = self.server.faulty.store
        connection = http.client.HTTPConnection(store.hostname or "", store.port, timeout=60)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                if name.lower() not in {"expect", "connection"}:
                    connection.putheader(name, value)
            connection.endheaders(self.body)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def reply(self, response: http.client.HTTPResponse, body: bytes) -> None:
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in {"transfer-encoding", "connection", "date", "server"}:
                self.send_header(name, value)
        if response.getheader("Content-Length") is None:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self) -> None:
        """Reset the connection, as a router that forgot it does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        return


def answer(handler: _Handler) -> None:
    """No fault."""
    handler.reply(*handler.forwarded())


def reset(handler: _Handler) -> None:
    """The connection is reset before the store has seen the request."""
    handler.hang_up()


def lose_reply(handler: _Handler) -> None:
    """The store executes the request, and the response is lost."""
    handler.forwarded()
    handler.hang_up()


def cut_body(handler: _Handler) -> None:
    """The answer ends in the middle of its body."""
    response, body = handler.forwarded()
    handler.reply(response, body[: len(body) // 2])
    handler.wfile.flush()
    handler.hang_up()


def refuse(status: int, *, having_done_it: bool = False) -> Fault:
    """The store answers with an error; `having_done_it` if it did all the same."""

    def fault(handler: _Handler) -> None:
        if having_done_it:
            handler.forwarded()
        words = {500: "InternalError", 503: "SlowDown"}[status]
        body = f"<Error><Code>{words}</Code><Message>try again</Message></Error>".encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return fault


@contextmanager
def faulty(endpoint_url: str) -> Iterator[FaultyS3]:
    """A proxy before a store, until the block ends."""
    proxy = FaultyS3(endpoint_url)
    thread = threading.Thread(target=proxy._server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy
    finally:
        proxy._server.shutdown()
        thread.join()
        proxy._server.server_close()

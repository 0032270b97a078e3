"""The chargecloud API of the simulated network, served on loopback.

    GET    /<slug>            the place's answer now
    GET    /_faults           the active faults
    PUT    /_faults/<slug>    {"kind": "status_503", "times": 2}: set a fault ("*": everywhere)
    DELETE /_faults/<slug>    remove it

Run it with `python -m charging_assets.simulator.server --port 8099`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import signal
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from charging_assets.clock import utc_now
from charging_assets.hours import Hour
from charging_assets.simulator.fault_responses import FaultResponder
from charging_assets.simulator.faults import Fault, FaultKind, Faults
from charging_assets.simulator.network import Network, UnknownPlace

Clock = Callable[[], datetime]

_HOST = "127.0.0.1"
_JSON = "application/json; charset=utf-8"
_FAULTS = "_faults"
_MAX_REQUESTS = 10_000


@dataclass(frozen=True)
class Request:
    """A received request for a place: its time, user agent and fault."""

    slug: str
    at: datetime
    user_agent: str
    fault: FaultKind | None


def simulated_time(start: datetime, speed: float = 1.0, clock: Clock = utc_now) -> Clock:
    """A clock that starts at `start` and runs `speed` times as fast as `clock`."""
    began = clock()
    return lambda: start + (clock() - began) * speed


class ApiServer:
    """A threaded HTTP server on loopback; as a context manager it serves in the background.

    `port` 0 takes any free port. `faults` can be changed while it runs; `requests` are the latest
    requests for places.
    """

    def __init__(
        self,
        network: Network,
        *,
        clock: Clock = utc_now,
        faults: Faults | None = None,
        port: int = 0,
    ) -> None:
        self.network, self.clock, self.faults = network, clock, faults or Faults()
        self.stopping = threading.Event()
        self._requests: deque[Request] = deque(maxlen=_MAX_REQUESTS)
        self._http = _Http(self, port)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The base address, without a slash at its end."""
        return f"http://{_HOST}:{self._http.server_port}"

    @property
    def requests(self) -> list[Request]:
        """The latest requests for places, oldest first."""
        return list(self._requests)

    def record_request(self, request: Request) -> None:
        """Add a request to `requests`."""
        self._requests.append(request)

    def serve_forever(self) -> None:
        """Serve until another thread calls `close`."""
        self._http.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        """Stop, and cut off slow responses."""
        self.stopping.set()
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._thread = None
        self._http.server_close()

    def __enter__(self) -> ApiServer:
        self._thread = threading.Thread(target=self.serve_forever, name="simulator", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    # Slow responses must not delay the end.
    block_on_close = False
    request_queue_size = 128

    def __init__(self, api: ApiServer, port: int) -> None:
        self.api = api
        super().__init__((_HOST, port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that disconnect."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def do_GET(self) -> None:
        slug = self._path()
        if slug == _FAULTS:
            faults = {
                place: asdict(fault) for place, fault in self.server.api.faults.active().items()
            }
            return self._send_json(HTTPStatus.OK, faults)
        api = self.server.api
        try:
            answer = api.network.answer(slug, api.clock())
        except UnknownPlace as error:
            return self._send_json(HTTPStatus.NOT_FOUND, {"error": str(error)})
        fault = api.faults.next_fault(slug)
        kind = fault.kind if fault else None
        api.record_request(Request(slug, utc_now(), self.headers.get("User-Agent", ""), kind))
        if fault:
            return FaultResponder(self, slug, answer, api.stopping).respond(fault)
        return self._send(HTTPStatus.OK, answer)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            fields = json.loads(body)
            fault = Fault(**{**fields, "kind": FaultKind(fields["kind"])})
        except (ValueError, KeyError, TypeError) as error:
            kinds = ", ".join(FaultKind)
            message = f"not a fault ({error}); give a JSON object with a kind of {kinds}"
            return self._send_json(HTTPStatus.BAD_REQUEST, {"error": message})
        return self._change_fault(lambda slug: self.server.api.faults.set(slug, fault))

    def do_DELETE(self) -> None:
        self._change_fault(self.server.api.faults.clear)

    def log_message(self, format: str, *args: Any) -> None:
        """No log: use `ApiServer.requests`."""

    def _change_fault(self, change: Callable[[str], None]) -> None:
        control, _, slug = self._path().partition("/")
        if control != _FAULTS or not slug:
            return self._send_json(HTTPStatus.NOT_FOUND, {"error": f"use /{_FAULTS}/<slug>"})
        change(slug)
        return self._send_json(HTTPStatus.OK, {"slug": slug})

    def _path(self) -> str:
        return unquote(self.path.partition("?")[0]).strip("/")

    def _send_json(self, status: HTTPStatus, answer: object) -> None:
        self._send(status, json.dumps(answer).encode())

    def _send(self, status: HTTPStatus, body: bytes) -> None:
        is_compressed = "gzip" in self.headers.get("Accept-Encoding", "")
        if is_compressed:
            body = gzip.compress(body, compresslevel=1, mtime=0)
        self.send_response(status)
        self.send_header("Content-Type", _JSON)
        if is_compressed:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(arguments: list[str] | None = None) -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m charging_assets.simulator.server")
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--scale", type=float, default=1.0, help="1 is 1,162 stations")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Hour.parse, help="first simulated UTC hour (default: now)")
    parser.add_argument("--speed", type=float, default=1.0, help="speed of simulated time")
    options = parser.parse_args(arguments)
    start = options.start.start if options.start else utc_now()
    network = Network(options.seed, options.scale)
    server = ApiServer(network, clock=simulated_time(start, options.speed), port=options.port)
    # A script that starts this in the background may have both signals ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    print(f"{server.url}  ({len(network.slugs)} places, {network.origin})", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.close()


if __name__ == "__main__":
    main()

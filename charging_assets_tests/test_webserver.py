"""Dagster's web server behind the guard, started as services start it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

_MUTATION = {"query": "mutation { setNuxSeen }"}
_WORKSPACE = """\
load_from:
  - python_file: {}
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The web server with a small code location."""
    with serving(tmp_path_factory.mktemp("webserver")) as (address, _):
        yield address


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    (folder / "code.py").write_text("import dagster as dg\ndefs = dg.Definitions()\n", "utf-8")
    workspace = folder / "workspace.yaml"
    workspace.write_text(_WORKSPACE.format(folder / "code.py"), "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "charging_assets.webserver",
        "--host",
        "127.0.0.1",
    ]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port), "--workspace", str(workspace)],
            env={**os.environ, "DAGSTER_HOME": str(folder)},
            cwd=Path(__file__).parent.parent,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}", server)
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.terminate()
        try:
            server.wait(60)
        finally:
            server.kill()


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and server.poll() is None:
        try:
            requests.get(f"{address}/server_info", timeout=5)
        except requests.RequestException:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"the web server did not start: {server.poll()}")


def test_webserver__answers_same_origin_requests(address: str) -> None:
    same_origin = {"Origin": address, "Sec-Fetch-Site": "same-origin"}
    answer = requests.post(f"{address}/graphql", json=_MUTATION, headers=same_origin, timeout=30)
    assert answer.json() == {"data": {"setNuxSeen": True}}
    assert "<html" in requests.get(f"{address}/", timeout=30).text


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("GET", {"params": _MUTATION}),
        ("POST", {"params": _MUTATION}),
        ("POST", {"data": '{"query": "{ version }"}', "headers": {"Content-Type": "text/plain"}}),
        ("POST", {"json": _MUTATION, "headers": {"Origin": "http://evil.example"}}),
        ("POST", {"json": _MUTATION, "headers": {"Host": "evil.example"}}),
    ],
)
def test_webserver__refuses_other_origins(
    address: str, method: str, options: dict[str, object]
) -> None:
    answer = requests.request(method, f"{address}/graphql", timeout=30, **options)  # type: ignore[arg-type]
    assert answer.status_code in {403, 405, 415}


def test_webserver__path_with_a_newline_reaches_no_route(address: str) -> None:
    answer = requests.get(f"{address}/graphql%0a", params=_MUTATION, timeout=30)
    assert answer.status_code == 400


def stalled_request(port: int) -> socket.socket:
    """A connection whose request announces 100 bytes and sends one."""
    client = socket.create_connection(("127.0.0.1", port))
    head = f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    client.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
    return client


def test_webserver__stalled_request_does_not_hold_up_its_end(tmp_path: Path) -> None:
    with (
        serving(tmp_path) as (address, server),
        stalled_request(int(address.rpartition(":")[2])),
    ):
        time.sleep(1)  # the request has reached the application
        server.terminate()
        # The request stays open: a server that waited for it would never end.
        server.wait(300)

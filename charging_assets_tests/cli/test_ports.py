"""Unusable ports are refused before anything starts."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from charging_assets.cli import live, main
from charging_assets.cli.errors import UsageError
from charging_assets.cli.ports import listen, require_free
from charging_assets_tests.cli.shell import Shell


@pytest.fixture(params=["127.0.0.1", "0.0.0.0", "::"])
def taken(request: pytest.FixtureRequest) -> Iterator[int]:
    """A port on which another program listens, on this address or on all of them."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        server = socket.create_server(
            (request.param, 0), family=family, dualstack_ipv6=":" in request.param
        )
    except (OSError, ValueError) as error:
        pytest.skip(f"cannot listen on {request.param}: {error}")
    with server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("command", ["ui", "live", "dashboard"])
def test_server__port_in_use_ends_with_2_before_anything_starts(
    empty: Shell, taken: int, command: str, became: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    polled: list[object] = []
    monkeypatch.setattr(live, "_poll", lambda *_: polled.append(1) or ([], {}))
    assert empty.run(command, "--port", str(taken)) == 2
    assert empty.err == (f"error: port {taken} of 127.0.0.1 is in use; choose another (--port)\n")
    assert (became, polled, empty.out) == ([], [], "")


def test_ui__after_a_refused_port_the_home_is_free(empty: Shell, became: list[list[str]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert empty.run("ui", "--port", str(server.getsockname()[1])) == 2
    assert empty.run("ui", "--port", str(free_port())) is None
    assert len(became) == 1


@pytest.mark.parametrize("port", ["0", "-1", "65536", "http", "3000.5", ""])
@pytest.mark.parametrize("command", ["ui", "live", "dashboard"])
def test_server__port_that_is_none_is_refused(empty: Shell, command: str, port: str) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, f"--port={port}"])
    assert end.value.code == 2


@pytest.mark.skipif(os.getuid() == 0, reason="root may listen on any port")
def test_require_free__privileged_port_is_named() -> None:
    with pytest.raises(UsageError, match="permissions"):
        require_free("127.0.0.1", 80)


def test_require_free__address_of_another_machine_is_named() -> None:
    with pytest.raises(UsageError, match=r"port 3000 of 192\.0\.2\.1"):
        require_free("192.0.2.1", 3000)


def test_listen__port_can_be_used_again_at_once() -> None:
    with listen("127.0.0.1", 0) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()
            client.recv(1)
    require_free("127.0.0.1", port)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]

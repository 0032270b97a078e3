"""Find free TCP ports on loopback."""

from __future__ import annotations

import socket
from contextlib import ExitStack

_GRPC_OFFSET = 10000


def free_ports(count: int, *, with_grpc: bool = False) -> list[int]:
    """Currently free ports; with `with_grpc` the ports 10000 higher are free too."""
    ports: list[int] = []
    with ExitStack() as listeners:
        while len(ports) < count:
            port = _bind(listeners, 0)
            if port is None:
                continue
            if with_grpc and (
                port + _GRPC_OFFSET > 65535 or _bind(listeners, port + _GRPC_OFFSET) is None
            ):
                continue
            ports.append(port)
    return ports


def _bind(listeners: ExitStack, port: int) -> int | None:
    listener = listeners.enter_context(socket.socket())
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        return None
    return int(listener.getsockname()[1])

"""Free TCP ports on loopback.

Belongs here: asking the system. Does not belong here: who listens.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack

_GRPC_OFFSET = 10000


def free_ports(count: int, *, with_grpc: bool = False) -> list[int]:
    """Ports that nobody listens on now; `with_grpc` ones are free 10000 higher too."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            port = _bound(held, 0)
            if port is None:
                continue
            if with_grpc and (
                port + _GRPC_OFFSET > 65535 or _bound(held, port + _GRPC_OFFSET) is None
            ):
                continue
            found.append(port)
    return found


def _bound(held: ExitStack, port: int) -> int | None:
    listener = held.enter_context(socket.socket())
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        return None
    return int(listener.getsockname()[1])

"""Ports of servers. Commands check them before they start anything else."""

from __future__ import annotations

import errno
import os
import socket

from charging_assets.cli.errors import UsageError


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on the port.

    Raises:
        UsageError: the port is in use, or this user may not use it.
    """
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Connections that were just closed must not keep the port in use.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host, port))
        server.listen()
    except OSError as error:
        server.close()
        if error.errno == errno.EADDRINUSE:
            reason = f"port {port} of {host} is in use; choose another (--port)"
        elif error.errno in (errno.EACCES, errno.EPERM):
            reason = (
                f"port {port} of {host} requires root permissions; choose a port from 1024 (--port)"
            )
        else:
            cause = os.strerror(error.errno) if error.errno else str(error)
            reason = f"cannot listen on port {port} of {host} ({cause}); choose another (--port)"
        raise UsageError(reason) from error
    return server


def require_free(host: str, port: int) -> None:
    """Raises UsageError if a server cannot listen on the port."""
    listen(host, port).close()

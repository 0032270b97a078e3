"""The login of a client of the proxy: TLS, startup parameters, password."""

from __future__ import annotations

import ssl

from charging_assets_tests.testbed import wire
from charging_assets_tests.testbed.backend import Backend
from charging_assets_tests.testbed.errors import as_redshift
from charging_assets_tests.testbed.wire import Message, Stream

SERVER_VERSION = "8.0.2"
# The driver also sends parameters that PostgreSQL does not support.
_FORWARDED_PARAMETERS = ("user", "database", "application_name")


def greet(client: Stream, tls: ssl.SSLContext) -> tuple[Stream, dict[str, str] | None]:
    """The client's stream, with TLS if requested; its parameters, or None if it disconnects."""
    while True:
        code, body = client.read_startup()
        if code == wire.TLS_REQUEST:
            client.send_bytes(b"S")
            client = Stream(tls.wrap_socket(client.socket, server_side=True))
        elif code == wire.GSS_REQUEST:
            client.send_bytes(b"N")
        elif code == wire.PROTOCOL_3:
            return client, wire.startup_parameters(body)
        else:
            return client, None


def log_in(client: Stream, backend: Backend, parameters: dict[str, str]) -> bool:
    """Log in to PostgreSQL as the client, with its password; returns whether it succeeded."""
    forwarded = {name: parameters[name] for name in _FORWARDED_PARAMETERS if name in parameters}
    backend.stream.send_bytes(wire.startup(forwarded))
    while True:
        message = backend.stream.read_message()
        if message.kind == b"S" and message.body.startswith(b"server_version\0"):
            message = Message(b"S", wire.text("server_version") + wire.text(SERVER_VERSION))
        elif message.kind == b"E":
            client.send(wire.error(as_redshift(wire.error_fields(message.body))))
            return False
        client.send(message)
        if message.kind == b"R" and message.body == b"\0\0\0\3":
            backend.stream.send(_password(client))
        elif message.kind == b"Z":
            backend.status = message.body
            return True


def _password(client: Stream) -> Message:
    while (message := client.read_message()).kind != b"p":
        continue  # the driver also sends a Flush
    return message

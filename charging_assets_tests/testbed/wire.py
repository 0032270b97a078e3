"""Messages of the PostgreSQL protocol, version 3, as used by the Redshift driver."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

PROTOCOL_3 = 196608
TLS_REQUEST = 80877103
GSS_REQUEST = 80877104
CANCEL_REQUEST = 80877102

_CHUNK = 1 << 16


class Closed(Exception):
    """The other side disconnected, possibly in the middle of a message."""


@dataclass(frozen=True)
class Message:
    """One message: its letter and what follows the length."""

    kind: bytes
    body: bytes

    def encode(self) -> bytes:
        return self.kind + struct.pack("!i", len(self.body) + 4) + self.body


SYNC = Message(b"S", b"")
TERMINATE = Message(b"X", b"")
PARSE_COMPLETE = Message(b"1", b"")
BIND_COMPLETE = Message(b"2", b"")
CLOSE_COMPLETE = Message(b"3", b"")
NO_DATA = Message(b"n", b"")


class Stream:
    """A socket read message by message."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._buffer = bytearray()

    def read(self, count: int) -> bytes:
        while len(self._buffer) < count:
            try:
                chunk = self.socket.recv(_CHUNK)
            except OSError as error:
                raise Closed(str(error)) from error
            if not chunk:
                raise Closed("end of stream")
            self._buffer += chunk
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def read_message(self) -> Message:
        head = self.read(5)
        return Message(head[:1], self.read(int.from_bytes(head[1:], "big") - 4))

    def read_startup(self) -> tuple[int, bytes]:
        """Read the first message, which has no letter: its code and its body."""
        length = int.from_bytes(self.read(4), "big")
        body = self.read(length - 4)
        return int.from_bytes(body[:4], "big"), body[4:]

    def send(self, *messages: Message) -> None:
        self.send_bytes(b"".join(message.encode() for message in messages))

    def send_bytes(self, raw: bytes) -> None:
        try:
            self.socket.sendall(raw)
        except OSError as error:
            raise Closed(str(error)) from error

    def close(self) -> None:
        with contextlib.suppress(OSError):  # it may be closed already
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def text(words: str) -> bytes:
    """A string, encoded for messages."""
    return words.encode() + b"\0"


def texts(body: bytes) -> list[str]:
    """The strings in a body, up to the empty one at its end."""
    return [part.decode() for part in body.rstrip(b"\0").split(b"\0")]


def startup(parameters: Mapping[str, str]) -> bytes:
    """A startup message."""
    pairs = b"".join(text(name) + text(value) for name, value in parameters.items())
    body = struct.pack("!i", PROTOCOL_3) + pairs + b"\0"
    return struct.pack("!i", len(body) + 4) + body


def startup_parameters(body: bytes) -> dict[str, str]:
    """The names and values in a startup message."""
    parts = texts(body)
    return dict(zip(parts[::2], parts[1::2], strict=False))


def query(sql: str) -> Message:
    return Message(b"Q", text(sql))


def parse(name: str, sql: str, parameter_types: bytes) -> Message:
    """Parse; `parameter_types` is the encoded count and types."""
    return Message(b"P", text(name) + text(sql) + parameter_types)


def parts_of_parse(message: Message) -> tuple[str, str, bytes]:
    """A Parse's name, SQL and parameter types."""
    name, sql, rest = message.body.split(b"\0", 2)
    return name.decode(), sql.decode(), rest


def name_in(message: Message) -> str:
    """The statement or portal of a Describe or Close."""
    return message.body[1:].split(b"\0", 1)[0].decode()


def names_in_bind(message: Message) -> tuple[str, str]:
    """A Bind's portal and statement."""
    portal, statement, _ = message.body.split(b"\0", 2)
    return portal.decode(), statement.decode()


def command_complete(tag: str) -> Message:
    return Message(b"C", text(tag))


def ready(status: bytes) -> Message:
    """ReadyForQuery: idle (I), in a transaction (T) or in a failed one (E)."""
    return Message(b"Z", status)


def error(fields: Mapping[str, str], kind: bytes = b"E") -> Message:
    """An ErrorResponse (or with `N` a notice) of fields by letter."""
    return Message(kind, b"".join(k.encode() + text(v) for k, v in fields.items()) + b"\0")


def error_fields(body: bytes) -> dict[str, str]:
    """The fields of an error by letter: S severity, C code, M message, D detail, n constraint …"""
    return {
        part[:1].decode(): part[1:].decode(errors="replace") for part in body.split(b"\0") if part
    }


def row_values(body: bytes) -> list[str | None]:
    """The values of a DataRow in text format."""
    return list(_row_values(body))


def _row_values(body: bytes) -> Iterator[str | None]:
    (count,), at = struct.unpack_from("!h", body), 2
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, at)
        at += 4
        if length < 0:
            yield None
        else:
            yield body[at : at + length].decode()
            at += length


def replace_types(body: bytes, types: Mapping[int, int]) -> bytes:
    """A RowDescription with replaced type numbers."""
    out, at = bytearray(body), 2
    for _ in range(struct.unpack_from("!h", body)[0]):
        at = body.index(b"\0", at) + 1
        (type_oid,) = struct.unpack_from("!i", body, at + 6)
        struct.pack_into("!i", out, at + 6, types.get(type_oid, type_oid))
        at += 18
    return bytes(out)


def columns_of(body: bytes) -> list[tuple[str, int]]:
    """The columns in a RowDescription, with the OIDs of their types."""
    (count,) = struct.unpack_from("!h", body)
    columns, at = [], 2
    for _ in range(count):
        end = body.index(b"\0", at)
        (oid,) = struct.unpack_from("!i", body, end + 7)
        columns.append((body[at:end].decode(), oid))
        at = end + 19
    return columns

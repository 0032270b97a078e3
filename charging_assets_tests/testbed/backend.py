"""The connection to PostgreSQL for one client of the proxy.

It also runs the proxy's statements inside the client's transaction.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

from charging_assets_tests.testbed import wire
from charging_assets_tests.testbed.errors import Refused
from charging_assets_tests.testbed.wire import Message, Stream


class BackendError(Exception):
    """PostgreSQL refused a statement of the proxy; `fields` are those of its ErrorResponse."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__(fields.get("M", ""))
        self.fields = fields


class Backend:
    """One PostgreSQL session; `status` is that of its last ReadyForQuery."""

    def __init__(self, socket_path: Path) -> None:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(socket_path))
        self.stream = Stream(connection)
        self.status = b"I"

    @property
    def in_transaction(self) -> bool:
        return self.status != b"I"

    def run(self, sql: str) -> list[list[str | None]]:
        """Run one statement and return its rows; BackendError if it fails."""
        self.stream.send(wire.query(sql))
        return self._finish()

    def copy_in(self, sql: str, chunks: Iterable[bytes]) -> int:
        """Run a COPY FROM STDIN and return the number of rows."""
        self.stream.send(wire.query(sql))
        message = self._next()
        if message.kind == b"E":
            self._finish(message)
        for chunk in chunks:
            self.stream.send(Message(b"d", chunk))
        self.stream.send(Message(b"c", b""))
        tag = ""
        failed: BackendError | None = None
        while True:
            message = self._next()
            if message.kind == b"C":
                tag = message.body[:-1].decode()
            elif message.kind == b"E":
                failed = BackendError(wire.error_fields(message.body))
            elif message.kind == b"Z":
                if failed:
                    raise failed
                return int(tag.split()[-1])

    def copy_out(self, sql: str) -> bytes:
        """Run a COPY TO STDOUT and return its data."""
        self.stream.send(wire.query(sql))
        data = bytearray()
        failed: BackendError | None = None
        while True:
            message = self._next()
            if message.kind == b"d":
                data += message.body
            elif message.kind == b"E":
                failed = BackendError(wire.error_fields(message.body))
            elif message.kind == b"Z":
                if failed:
                    raise failed
                return bytes(data)

    def columns(self, sql: str) -> list[tuple[str, int]]:
        """The columns of a query, with the OIDs of their types."""
        self.stream.send(wire.query(sql))
        columns: list[tuple[str, int]] = []
        failed: BackendError | None = None
        while True:
            message = self._next()
            if message.kind == b"T":
                columns = wire.columns_of(message.body)
            elif message.kind == b"E":
                failed = BackendError(wire.error_fields(message.body))
            elif message.kind == b"Z":
                if failed:
                    raise failed
                return columns

    def fail(self, refused: Refused) -> dict[str, str]:
        """Put the session into Redshift's state after an error; returns the client's error fields.

        An open transaction is aborted; if it already was, its own error is returned instead.
        """
        try:
            self.run("DO $$ BEGIN RAISE EXCEPTION SQLSTATE 'RS000'; END $$")
        except BackendError as error:
            if error.fields["C"] != "RS000":
                return error.fields
        return refused.fields()

    def _finish(self, first: Message | None = None) -> list[list[str | None]]:
        rows: list[list[str | None]] = []
        failed: BackendError | None = None
        while True:
            message, first = first or self._next(), None
            if message.kind == b"D":
                rows.append(wire.row_values(message.body))
            elif message.kind == b"E":
                failed = BackendError(wire.error_fields(message.body))
            elif message.kind == b"Z":
                if failed:
                    raise failed
                return rows

    def _next(self) -> Message:
        message = self.stream.read_message()
        if message.kind == b"Z":
            self.status = message.body
        return message

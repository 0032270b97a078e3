"""One client of the proxy: its messages, and what is done about each.

Belongs here: the course of a connection. Does not belong here: message formats (`wire`), SQL
(`translate`), COPY (`load`).

Messages are taken up to a Sync, since the driver sends one after each step, and answered together.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from charging_assets_tests.testbed import wire
from charging_assets_tests.testbed.backend import Backend, BackendError
from charging_assets_tests.testbed.errors import Refused, as_redshift
from charging_assets_tests.testbed.load import copy
from charging_assets_tests.testbed.objects import Objects
from charging_assets_tests.testbed.tokens import statements
from charging_assets_tests.testbed.translate import Translated, translate
from charging_assets_tests.testbed.wire import Message, Stream

SERVER_VERSION = "8.0.2"
# json is told as SUPER, text as VARCHAR.
_TYPES = {114: 4000, 3802: 4000, 25: 1043}
_KEPT_PARAMETERS = ("user", "database", "application_name")


class Session:
    """A client from its first byte to its last."""

    def __init__(
        self, client: Stream, *, tls: ssl.SSLContext, socket_path: Path, objects: Objects
    ) -> None:
        self._client = client
        self._tls = tls
        self._socket_path = socket_path
        self._objects = objects
        self._user = ""
        self._prepared: dict[str, Translated] = {}
        self._portals: dict[str, Translated] = {}
        self._unnamed = 0

    def serve(self) -> None:
        """Answer until either side is gone; Closed tells which."""
        parameters = self._greeted()
        if parameters is None:
            return
        self._user = parameters.get("user", "")
        self._backend = Backend(self._socket_path)
        try:
            if self._start(parameters):
                self._answer_all()
        finally:
            # Without a word of goodbye: an open transaction is rolled back.
            self._backend.stream.close()

    def close(self) -> None:
        self._client.close()

    def _greeted(self) -> dict[str, str] | None:
        while True:
            code, body = self._client.read_startup()
            if code == wire.TLS_REQUEST:
                self._client.send_bytes(b"S")
                secured = self._tls.wrap_socket(self._client.socket, server_side=True)
                self._client = Stream(secured)
            elif code == wire.GSS_REQUEST:
                self._client.send_bytes(b"N")
            elif code == wire.PROTOCOL_3:
                return wire.startup_parameters(body)
            else:
                return None

    def _start(self, parameters: dict[str, str]) -> bool:
        """Log in at PostgreSQL as the client, whose password passes through; whether it may."""
        known = {name: parameters[name] for name in _KEPT_PARAMETERS if name in parameters}
        self._backend.stream.send_bytes(wire.startup(known))
        while True:
            message = self._backend.stream.read_message()
            if message.kind == b"S" and message.body.startswith(b"server_version\0"):
                message = Message(b"S", wire.text("server_version") + wire.text(SERVER_VERSION))
            elif message.kind == b"E":
                self._client.send(wire.error(as_redshift(wire.error_fields(message.body))))
                return False
            self._client.send(message)
            if message.kind == b"R" and message.body == b"\0\0\0\3":
                self._backend.stream.send(self._password())
            elif message.kind == b"Z":
                self._backend.status = message.body
                return True

    def _password(self) -> Message:
        while (message := self._client.read_message()).kind != b"p":
            continue  # the driver sends a Flush along
        return message

    def _answer_all(self) -> None:
        waiting: list[Message] = []
        while True:
            message = self._client.read_message()
            if message.kind == b"X":
                return
            if message.kind == b"Q":
                self._simple(message.body[:-1].decode())
            elif message.kind == b"S":
                self._extended(waiting)
                waiting = []
            elif message.kind != b"H":
                waiting.append(message)

    def _simple(self, sql: str) -> None:
        """Statements without parameters, one after the other, up to the first error."""
        try:
            for each in statements(sql):
                translated = translate(each)
                if translated.is_local:
                    self._client.send(wire.command_complete(self._do(translated)))
                    continue
                self._lock(translated)
                self._backend.stream.send(wire.query(translated.sql))
                if not self._relay():
                    break
        except (Refused, BackendError) as error:
            self._tell(error)
        self._client.send(wire.ready(self._backend.status))

    def _extended(self, messages: list[Message]) -> None:
        """The messages before a Sync; an error skips those after it."""
        try:
            if self._is_local(messages):
                for message in messages:
                    self._local(message)
            else:
                forwarded = [self._forwarded(message) for message in messages]
                self._backend.stream.send(*forwarded, wire.SYNC)
                self._relay()
        except (Refused, BackendError) as error:
            self._tell(error)
        self._client.send(wire.ready(self._backend.status))

    def _is_local(self, messages: list[Message]) -> bool:
        """Whether the messages are about a statement that PostgreSQL does not see prepared."""
        for message in messages:
            if message.kind == b"P":
                name, sql, _ = wire.parts_of_parse(message)
                self._prepared[name] = translate(sql)
                if self._prepared[name].is_local:
                    return True
            elif message.kind == b"B":
                portal, name = wire.names_in_bind(message)
                self._portals[portal] = self._prepared.get(name, Translated())
                if self._portals[portal].is_local:
                    return True
            elif (
                message.kind in {b"D", b"C"}
                and message.body[:1] == b"S"
                and self._prepared.get(wire.name_in(message), Translated()).is_local
            ):
                return True
        return False

    def _forwarded(self, message: Message) -> Message:
        """A message for PostgreSQL. The unnamed statement has a name there: our own queries between
        its Parse and its Bind would end it."""
        if message.kind == b"P":
            name, _, types = wire.parts_of_parse(message)
            self._unnamed += not name
            return wire.parse(name or self._named(), self._prepared[name].sql, types)
        if message.kind == b"E":
            portal = message.body.split(b"\0", 1)[0].decode()
            self._lock(self._portals.get(portal, Translated()))
        if message.kind == b"D" and message.body == b"S\0":
            return Message(b"D", b"S" + wire.text(self._named()))
        if message.kind == b"B":
            portal, name = wire.names_in_bind(message)
            rest = message.body.split(b"\0", 2)[2]
            bound = wire.text(portal) + wire.text(name or self._named())
            return Message(b"B", bound + rest)
        return message

    def _named(self) -> str:
        return f"unnamed_{self._unnamed}"

    def _local(self, message: Message) -> None:
        if message.kind == b"P":
            self._client.send(wire.PARSE_COMPLETE)
        elif message.kind == b"D":
            self._client.send(Message(b"t", b"\0\0"), wire.NO_DATA)
        elif message.kind == b"B":
            self._client.send(wire.BIND_COMPLETE)
        elif message.kind == b"C":
            self._client.send(wire.CLOSE_COMPLETE)
        elif message.kind == b"E":
            portal = message.body.split(b"\0", 1)[0].decode()
            self._client.send(wire.command_complete(self._do(self._portals[portal])))

    def _do(self, translated: Translated) -> str:
        """Do what PostgreSQL cannot; what the client is told."""
        if translated.copy:
            copy(self._backend, self._objects, translated.copy, self._user)
            return "COPY"
        if translated.alone and self._backend.in_transaction:
            told = f"{translated.alone} cannot run inside a transaction block"
            raise Refused(told, "25001")
        if translated.sql:
            self._backend.run(translated.sql)
        for each in translated.then:
            self._backend.run(each)
        if translated.then_commits and self._backend.in_transaction:
            self._backend.run("COMMIT")
        return translated.tag

    def _lock(self, translated: Translated) -> None:
        """A write takes the table's write lock, after the transaction's snapshot was taken."""
        if translated.writes and self._backend.status == b"T":
            self._backend.run("SELECT 1")
            self._backend.run(f"LOCK TABLE {translated.writes} IN SHARE ROW EXCLUSIVE MODE")

    def _relay(self) -> bool:
        """Pass PostgreSQL's answers on up to, and without, ReadyForQuery; whether none failed."""
        passed, out = True, bytearray()
        while True:
            message = self._backend.stream.read_message()
            if message.kind == b"Z":
                self._backend.status = message.body
                self._client.send_bytes(bytes(out))
                return passed
            if message.kind == b"E":
                passed = False
                message = wire.error(as_redshift(wire.error_fields(message.body)))
            elif message.kind == b"T":
                message = Message(b"T", wire.retyped(message.body, _TYPES))
            out += message.packed()
            if len(out) > 1 << 18:
                self._client.send_bytes(bytes(out))
                out.clear()

    def _tell(self, error: Refused | BackendError) -> None:
        if isinstance(error, Refused):
            fields = self._backend.fail(error)
        else:
            fields = as_redshift(error.fields)
        self._client.send(wire.error(fields))

"""One client of the proxy: its messages, and what is done about each.

Belongs here: the course of a connection. Does not belong here: message formats (`wire`), coming in
(`login`), SQL (`translate`), COPY (`load`).

Messages are taken up to a Sync, since the driver sends one after each step, and answered together.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from charging_assets_tests.testbed import wire
from charging_assets_tests.testbed.backend import Backend, BackendError
from charging_assets_tests.testbed.errors import Refused, as_redshift
from charging_assets_tests.testbed.load import copy
from charging_assets_tests.testbed.login import greet, log_in
from charging_assets_tests.testbed.objects import Objects
from charging_assets_tests.testbed.statement_faults import Cut, StatementFaults, torn
from charging_assets_tests.testbed.tokens import statements
from charging_assets_tests.testbed.translate import Translated, translate
from charging_assets_tests.testbed.wire import Message, Stream

# json is told as SUPER, text as VARCHAR.
_TYPES = {114: 4000, 3802: 4000, 25: 1043}
_ENOUGH = 1 << 18


@dataclass(frozen=True)
class _Prepared:
    """A statement as the client gave it, and what the bed makes of it."""

    sql: str = ""
    translated: Translated = field(default_factory=Translated)

    @property
    def is_local(self) -> bool:
        return self.translated.is_local


class Session:
    """A client from its first byte to its last."""

    def __init__(
        self,
        client: Stream,
        *,
        tls: ssl.SSLContext,
        socket_path: Path,
        objects: Objects,
        faults: Mapping[str, StatementFaults],
    ) -> None:
        self._client = client
        self._tls = tls
        self._socket_path = socket_path
        self._objects = objects
        self._all_faults = faults
        self._prepared: dict[str, _Prepared] = {}
        self._portals: dict[str, _Prepared] = {}
        self._unnamed = 0

    def serve(self) -> None:
        """Answer until either side is gone (Closed), or a fault ends it (Cut)."""
        self._client, parameters = greet(self._client, self._tls)
        if parameters is None:
            return
        self._user = parameters.get("user", "")
        self._faults = self._all_faults[parameters.get("database", "")]
        self._backend = Backend(self._socket_path)
        try:
            if log_in(self._client, self._backend, parameters):
                self._answer_all()
        finally:
            # Without a word of goodbye: an open transaction is rolled back.
            self._backend.stream.close()

    def close(self) -> None:
        self._client.close()

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
                prepared = _Prepared(each, translate(each))
                self._begin(prepared)
                if prepared.is_local:
                    self._client.send(wire.command_complete(self._do(prepared)))
                elif not self._passed(prepared, [wire.query(prepared.translated.sql)]):
                    break
                self._faults.strike("after", each)
        except (Refused, BackendError) as error:
            self._tell(error)
        self._client.send(wire.ready(self._backend.status))

    def _extended(self, messages: list[Message]) -> None:
        """The messages before a Sync; an error skips those after it."""
        executed = None
        try:
            is_local = self._note_names(messages)
            executed = self._executed(messages)
            if executed:
                self._begin(executed)
            if is_local:
                for message in messages:
                    self._answer(message)
            else:
                forwarded = [self._forwarded(message) for message in messages]
                self._passed(executed or _Prepared(), [*forwarded, wire.SYNC])
        except (Refused, BackendError) as error:
            self._tell(error)
        self._client.send(wire.ready(self._backend.status))
        if executed:
            self._faults.strike("after", executed.sql)

    def _note_names(self, messages: list[Message]) -> bool:
        """Keep what statements and portals are; whether PostgreSQL does not see them prepared."""
        found = []
        for message in messages:
            if message.kind == b"P":
                name, sql, _ = wire.parts_of_parse(message)
                self._prepared[name] = _Prepared(sql, translate(sql))
                found.append(self._prepared[name])
            elif message.kind == b"B":
                portal, name = wire.names_in_bind(message)
                self._portals[portal] = self._prepared.get(name, _Prepared())
                found.append(self._portals[portal])
            elif message.kind in {b"D", b"C"} and message.body[:1] == b"S":
                found.append(self._prepared.get(wire.name_in(message), _Prepared()))
        return any(prepared.is_local for prepared in found)

    def _executed(self, messages: list[Message]) -> _Prepared | None:
        for message in messages:
            if message.kind == b"E":
                return self._portals.get(_portal(message), _Prepared())
        return None

    def _begin(self, prepared: _Prepared) -> None:
        """What comes before a statement is executed."""
        self._faults.strike("before", prepared.sql)
        self._faults.note(prepared.sql)
        self._lock(prepared.translated)

    def _forwarded(self, message: Message) -> Message:
        """A message for PostgreSQL. The unnamed statement has a name there: queries of our own
        between its Parse and its Bind would end it."""
        if message.kind == b"P":
            name, _, types = wire.parts_of_parse(message)
            self._unnamed += not name
            return wire.parse(name or self._named(), self._prepared[name].translated.sql, types)
        if message.kind == b"D" and message.body == b"S\0":
            return Message(b"D", b"S" + wire.text(self._named()))
        if message.kind == b"B":
            portal, name = wire.names_in_bind(message)
            rest = message.body.split(b"\0", 2)[2]
            return Message(b"B", wire.text(portal) + wire.text(name or self._named()) + rest)
        return message

    def _named(self) -> str:
        return f"unnamed_{self._unnamed}"

    def _answer(self, message: Message) -> None:
        """Answer for a statement that the bed does itself."""
        if message.kind == b"P":
            self._client.send(wire.PARSE_COMPLETE)
        elif message.kind == b"D":
            self._client.send(Message(b"t", b"\0\0"), wire.NO_DATA)
        elif message.kind == b"B":
            self._client.send(wire.BIND_COMPLETE)
        elif message.kind == b"C":
            self._client.send(wire.CLOSE_COMPLETE)
        elif message.kind == b"E":
            done = self._do(self._portals[_portal(message)])
            self._client.send(wire.command_complete(done))

    def _do(self, prepared: _Prepared) -> str:
        """Do what PostgreSQL cannot; what the client is told."""
        translated, tag = prepared.translated, prepared.translated.tag
        if translated.copy:
            is_torn = self._faults.is_due("during", prepared.sql)
            through = torn if is_torn else iter
            copy(self._backend, self._objects, translated.copy, self._user, through)
            tag = "COPY"
        elif translated.alone and self._backend.in_transaction:
            raise Refused(f"{translated.alone} cannot run inside a transaction block", "25001")
        elif translated.sql:
            self._backend.run(translated.sql)
        for each in translated.then:
            self._backend.run(each)
        if translated.then_commits and self._backend.in_transaction:
            self._backend.run("COMMIT")
        self._faults.strike("reply", prepared.sql)
        return tag

    def _lock(self, translated: Translated) -> None:
        """A write takes the table's write lock, after the transaction's snapshot was taken."""
        if translated.writes and self._backend.status == b"T":
            self._backend.run("SELECT 1")
            self._backend.run(f"LOCK TABLE {translated.writes} IN SHARE ROW EXCLUSIVE MODE")

    def _passed(self, prepared: _Prepared, messages: list[Message]) -> bool:
        """Pass messages on, and the answers but ReadyForQuery back; whether none is an error."""
        self._backend.stream.send(*messages)
        is_executed = bool(prepared.sql)
        if is_executed:
            self._faults.strike("during", prepared.sql)
        is_lost = is_executed and self._faults.is_due("reply", prepared.sql)
        passed, out = True, bytearray()
        while True:
            message = self._backend.stream.read_message()
            if message.kind == b"Z":
                self._backend.status = message.body
                break
            if message.kind == b"E":
                passed = False
                message = wire.error(as_redshift(wire.error_fields(message.body)))
            elif message.kind == b"T":
                message = Message(b"T", wire.retyped(message.body, _TYPES))
            out += message.packed()
            if len(out) > _ENOUGH and not is_lost:
                self._client.send_bytes(bytes(out))
                out.clear()
        if is_lost:
            raise Cut(f"the reply to {prepared.sql}")
        self._client.send_bytes(bytes(out))
        return passed

    def _tell(self, error: Refused | BackendError) -> None:
        if isinstance(error, Refused):
            fields = self._backend.fail(error)
        else:
            fields = as_redshift(error.fields)
        self._client.send(wire.error(fields))


def _portal(message: Message) -> str:
    return message.body.split(b"\0", 1)[0].decode()

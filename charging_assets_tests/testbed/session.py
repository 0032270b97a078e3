"""The connection of one client of the proxy.

Messages are collected up to a Sync, which the driver sends after each step, and answered together.
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
from charging_assets_tests.testbed.statement_faults import Cut, StatementFaults, cut_data
from charging_assets_tests.testbed.tokens import statements
from charging_assets_tests.testbed.translate import Translated, translate
from charging_assets_tests.testbed.unload import unload
from charging_assets_tests.testbed.unload_options import RoleGrant
from charging_assets_tests.testbed.wire import Message, Stream

# json is reported as SUPER, text as VARCHAR.
_TYPES = {114: 4000, 3802: 4000, 25: 1043}
_FLUSH_BYTES = 1 << 18


@dataclass(frozen=True)
class _Prepared:
    """A statement of the client, and its translation."""

    sql: str = ""
    translated: Translated = field(default_factory=Translated)

    @property
    def is_local(self) -> bool:
        return self.translated.is_local


class Session:
    """One connection of a client, from login to its end."""

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
        """Answer until either side disconnects (Closed) or a fault ends it (Cut)."""
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
            # Without Terminate: an open transaction is rolled back.
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
        """Run statements without parameters in order, up to the first error."""
        try:
            for statement in statements(sql):
                prepared = _Prepared(statement, translate(statement))
                self._begin(prepared)
                if prepared.is_local:
                    self._client.send(wire.command_complete(self._execute(prepared)))
                elif not self._forward_all(prepared, [wire.query(prepared.translated.sql)]):
                    break
                self._faults.raise_if_due("after", statement)
        except (Refused, BackendError) as error:
            self._send_error(error)
        self._client.send(wire.ready(self._backend.status))

    def _extended(self, messages: list[Message]) -> None:
        """Answer the messages before a Sync; an error skips the rest."""
        executed = None
        try:
            is_local = self._store_names(messages)
            executed = self._executed(messages)
            if executed:
                self._begin(executed)
            if is_local:
                for message in messages:
                    self._answer(message)
            else:
                translated = [self._translate_message(message) for message in messages]
                self._forward_all(executed or _Prepared(), [*translated, wire.SYNC])
        except (Refused, BackendError) as error:
            self._send_error(error)
        self._client.send(wire.ready(self._backend.status))
        if executed:
            self._faults.raise_if_due("after", executed.sql)

    def _store_names(self, messages: list[Message]) -> bool:
        """Store statements and portals; returns whether the bed executes one of them itself."""
        referenced = []
        for message in messages:
            if message.kind == b"P":
                name, sql, _ = wire.parts_of_parse(message)
                self._prepared[name] = _Prepared(sql, translate(sql))
                referenced.append(self._prepared[name])
            elif message.kind == b"B":
                portal, name = wire.names_in_bind(message)
                self._portals[portal] = self._prepared.get(name, _Prepared())
                referenced.append(self._portals[portal])
            elif message.kind in {b"D", b"C"} and message.body[:1] == b"S":
                referenced.append(self._prepared.get(wire.name_in(message), _Prepared()))
        return any(prepared.is_local for prepared in referenced)

    def _executed(self, messages: list[Message]) -> _Prepared | None:
        for message in messages:
            if message.kind == b"E":
                return self._portals.get(_portal(message), _Prepared())
        return None

    def _begin(self, prepared: _Prepared) -> None:
        """Faults and locks before a statement is executed."""
        self._faults.raise_if_due("before", prepared.sql)
        self._faults.record(prepared.sql)
        self._lock(prepared.translated)

    def _translate_message(self, message: Message) -> Message:
        """The message for PostgreSQL.

        The unnamed statement gets a name: the proxy's queries between Parse and Bind would drop it.
        """
        if message.kind == b"P":
            name, _, types = wire.parts_of_parse(message)
            self._unnamed += not name
            return wire.parse(
                name or self._unnamed_name(), self._prepared[name].translated.sql, types
            )
        if message.kind == b"D" and message.body == b"S\0":
            return Message(b"D", b"S" + wire.text(self._unnamed_name()))
        if message.kind == b"B":
            portal, name = wire.names_in_bind(message)
            rest = message.body.split(b"\0", 2)[2]
            return Message(b"B", wire.text(portal) + wire.text(name or self._unnamed_name()) + rest)
        return message

    def _unnamed_name(self) -> str:
        return f"unnamed_{self._unnamed}"

    def _answer(self, message: Message) -> None:
        """Answer for a statement that the bed executes itself."""
        if message.kind == b"P":
            self._client.send(wire.PARSE_COMPLETE)
        elif message.kind == b"D":
            self._client.send(Message(b"t", b"\0\0"), wire.NO_DATA)
        elif message.kind == b"B":
            self._client.send(wire.BIND_COMPLETE)
        elif message.kind == b"C":
            self._client.send(wire.CLOSE_COMPLETE)
        elif message.kind == b"E":
            tag = self._execute(self._portals[_portal(message)])
            self._client.send(wire.command_complete(tag))

    def _execute(self, prepared: _Prepared) -> str:
        """Execute a statement that PostgreSQL cannot; returns the command tag."""
        translated, tag = prepared.translated, prepared.translated.tag
        if translated.copy:
            is_cut = self._faults.is_due("during", prepared.sql)
            through = cut_data if is_cut else iter
            copy(self._backend, self._objects, translated.copy, self._user, through)
            tag = "COPY"
        elif translated.unload:
            count = unload(
                self._backend, self._objects, translated.unload, translated.sql, self._user
            )
            self._backend.run(f"SELECT set_config('testbed.unload_count', '{count}', FALSE)")
        elif translated.role_grant:
            self._grant_role(translated.role_grant)
        elif translated.alone and self._backend.in_transaction:
            raise Refused(f"{translated.alone} cannot run inside a transaction block", "25001")
        elif translated.sql:
            self._backend.run(translated.sql)
        for statement in translated.then:
            self._backend.run(statement)
        if translated.then_commits and self._backend.in_transaction:
            self._backend.run("COMMIT")
        self._faults.raise_if_due("reply", prepared.sql)
        return tag

    def _grant_role(self, change: RoleGrant) -> None:
        if self._user not in self._objects.superusers:
            raise Refused("must be superuser to grant or revoke ASSUMEROLE", "42501")
        self._objects.grant(change)

    def _lock(self, translated: Translated) -> None:
        """Take the table's write lock for a write, after the transaction's snapshot."""
        if translated.writes and self._backend.status == b"T":
            self._backend.run("SELECT 1")
            self._backend.run(f"LOCK TABLE {translated.writes} IN SHARE ROW EXCLUSIVE MODE")

    def _forward_all(self, prepared: _Prepared, messages: list[Message]) -> bool:
        """Forward messages and answers except ReadyForQuery; returns whether all succeeded."""
        self._backend.stream.send(*messages)
        is_executed = bool(prepared.sql)
        if is_executed:
            self._faults.raise_if_due("during", prepared.sql)
        is_lost = is_executed and self._faults.is_due("reply", prepared.sql)
        is_ok, out = True, bytearray()
        while True:
            message = self._backend.stream.read_message()
            if message.kind == b"Z":
                self._backend.status = message.body
                break
            if message.kind == b"E":
                is_ok = False
                message = wire.error(as_redshift(wire.error_fields(message.body)))
            elif message.kind == b"T":
                message = Message(b"T", wire.replace_types(message.body, _TYPES))
            out += message.encode()
            if len(out) > _FLUSH_BYTES and not is_lost:
                self._client.send_bytes(bytes(out))
                out.clear()
        if is_lost:
            raise Cut(f"the reply to {prepared.sql}")
        self._client.send_bytes(bytes(out))
        return is_ok

    def _send_error(self, error: Refused | BackendError) -> None:
        if isinstance(error, Refused):
            fields = self._backend.fail(error)
        else:
            fields = as_redshift(error.fields)
        self._client.send(wire.error(fields))


def _portal(message: Message) -> str:
    return message.body.split(b"\0", 1)[0].decode()

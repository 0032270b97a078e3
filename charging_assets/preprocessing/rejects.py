"""What is set aside, and why.

Belongs here: one rejection, where it points and how its fragment is cut. Does not belong here: the
decision to reject (`clean`, `records`, `stations`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from charging_assets.text import escape_json_control

FRAGMENT_BYTES = 1024
POINTER_BYTES = 1024
ID_BYTES = 128


class Rejection(NamedTuple):
    """A bad body, record or field; `pointer` is relative to what it was found in.

    `entity_key` and `identity_hash` are those of a record that is rejected for its key.
    """

    severity: str
    entity: str
    entity_id: str | None
    pointer: str
    code: str
    fragment: str | None
    entity_key: int | None = None
    identity_hash: int | None = None

    def under(self, pointer: str) -> Rejection:
        """The same rejection, seen from further out."""
        return self._replace(pointer=cut(plain_pointer(pointer + self.pointer), POINTER_BYTES))


def rejection(
    severity: str, entity: str, entity_id: str | None, pointer: str, code: str, value: Any
) -> Rejection:
    """A rejection with its fragment and id cut to what the table holds."""
    known_id = None if entity_id is None else cut(entity_id, ID_BYTES)
    return Rejection(severity, entity, known_id, pointer, code, fragment(value))


def fragment(value: Any) -> str | None:
    """A value as JSON, cut; None for a value that is not there."""
    if value is None:
        return None
    if isinstance(value, bytes):
        text = value[:FRAGMENT_BYTES].decode("utf-8", "replace")
    else:
        try:
            text = msgspec.json.encode(value).decode()
        except (TypeError, ValueError, OverflowError, RecursionError):
            text = f"<{type(value).__name__} that is not JSON>"
    return cut(escape_json_control(text), FRAGMENT_BYTES)


def cut(text: str, length: int) -> str:
    """A text cut to so many bytes of UTF-8, never in the middle of a character."""
    encoded = text.encode("utf-8", "replace")
    return encoded[:length].decode("utf-8", "ignore")


def plain_pointer(pointer: str) -> str:
    """A pointer with control and bidirectional characters as JSON spells them.

    No warehouse takes NUL, and a terminal obeys the others.
    """
    return escape_json_control(pointer, lines=False)

"""What is set aside, and why.

Belongs here: one rejection, where it points and how its fragment is cut; how many are listed of an
answer. Does not belong here: the decision to reject (`clean`, `records`, `stations`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Set
from typing import Any, NamedTuple

import msgspec

from charging_assets.preprocessing.identity import Identity
from charging_assets.text import escape_json_control

FRAGMENT_BYTES = 1024
POINTER_BYTES = 1024
ID_BYTES = 128
# How many records, and how many fields, are listed of a place's answer; the others are counted.
LISTED = 1000


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

    @property
    def identity(self) -> Identity | None:
        """The ids of a record that is rejected for its key."""
        if self.entity_key is None or self.identity_hash is None:
            return None
        return Identity(self.entity, self.entity_key, self.identity_hash)

    def under(self, pointer: str) -> Rejection:
        """The same rejection, seen from further out."""
        return self._replace(pointer=cut(plain_pointer(pointer + self.pointer), POINTER_BYTES))


_DUPLICATE = "duplicate_key"

# Severity, entity and code.
Reason = tuple[str, str, str]


class Rejects:
    """What was rejected of an answer, or of one of its records, in the order of the answer.

    The first `LISTED` records and the first `LISTED` fields are in `listed`; `unlisted` counts the
    others by severity, entity and code. An answer may hold millions of them. Listed in addition is
    one record of each id in `claims`, whose key stands for another id: which of them counts depends
    on when each was published.
    """

    __slots__ = ("_sizes", "claims", "listed", "unlisted")

    def __init__(self) -> None:
        self.listed: list[Rejection] = []
        self.claims: Set[Identity] = frozenset()
        self.unlisted: dict[Reason, int] = {}
        self._sizes: dict[str, int] | None = {}

    def __bool__(self) -> bool:
        return bool(self.listed or self.unlisted)

    def add(
        self,
        severity: str,
        entity: str,
        entity_id: str | None,
        pointer: str | Callable[[], str],
        code: str,
        value: Any = None,
    ) -> None:
        """Add one. A value is rendered, and a pointer that is a function is called, if listed."""
        if self._has_room(severity):
            where = pointer if isinstance(pointer, str) else pointer()
            self.listed.append(rejection(severity, entity, entity_id, where, code, value))
        else:
            self.count((severity, entity, code), 1)

    def add_duplicate(
        self, identity: Identity, entity_id: str, pointer: str, value: Any, *, is_other_id: bool
    ) -> None:
        """Add a record whose key another record has: of the same id, or of another one."""
        if self._is_listed("record", identity if is_other_id else None):
            found = rejection("record", identity.entity, entity_id, pointer, _DUPLICATE, value)
            self.listed.append(
                found._replace(entity_key=identity.key, identity_hash=identity.identity_hash)
            )
        else:
            self.count(("record", identity.entity, _DUPLICATE), 1)

    def extend(self, found: Iterable[Rejection], claims: Set[Identity] = frozenset()) -> None:
        """Add some in their order; `claims` are those of what they are from."""
        for each in found:
            claim = each.identity if claims and each.identity in claims else None
            if self._is_listed(each.severity, claim):
                self.listed.append(each)
            else:
                self.count((each.severity, each.entity, each.code), 1)

    def include(self, other: Rejects, pointer: str) -> None:
        """Add what was rejected of the record at a pointer."""
        self.extend([each.under(pointer) for each in other.listed], other.claims)
        self.include_unlisted(other)

    def include_unlisted(self, other: Rejects) -> None:
        """Add what another does not list."""
        for reason, number in other.unlisted.items():
            self.count(reason, number)

    def count(self, reason: Reason, number: int) -> None:
        """Count some without listing them."""
        self.unlisted[reason] = self.unlisted.get(reason, 0) + number

    def close(self) -> None:
        """Release the memory that only `add` needs: millions of records may have rejects."""
        self._sizes = None

    def counts(self) -> Counter[tuple[str, str]]:
        """How many there are by severity and entity, listed or not."""
        counts = Counter((each.severity, each.entity) for each in self.listed)
        for (severity, entity, _), number in self.unlisted.items():
            counts[severity, entity] += number
        return counts

    def rows(self, pointer: str) -> Iterator[tuple[Rejection, int]]:
        """Each row of the table with the number of rejections that it stands for, in its order.

        Rejections of one pointer, entity and code are one row. Those not listed are one row by
        severity, entity and code, under the pointer of the answer's records.
        """
        found: dict[tuple[str, str, str], tuple[Rejection, int]] = {}
        for each in self.listed:
            where = each.pointer, each.entity, each.code
            first, number = found.get(where, (each, 0))
            found[where] = first, number + 1
        for (severity, entity, code), number in self.unlisted.items():
            where = f"{pointer}/unlisted/{severity}", entity, code
            found[where] = Rejection(severity, entity, None, where[0], code, None), number
        for where in sorted(found):
            yield found[where]

    def _is_listed(self, severity: str, claim: Identity | None) -> bool:
        """Whether the next one is listed; `claim` is its id if its key stands for another one."""
        if claim is not None and claim not in self.claims:
            if not isinstance(self.claims, set):
                self.claims = set[Identity]()
            self.claims.add(claim)
            return True
        return self._has_room(severity)

    def _has_room(self, severity: str) -> bool:
        assert self._sizes is not None, "nothing is added to what is closed"
        size = self._sizes.get(severity, 0)
        if size >= LISTED:
            return False
        self._sizes[severity] = size + 1
        return True


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
            # Characters outside of UTF-8's beginning are cut off with the rest.
            text = msgspec.json.encode(value)[:FRAGMENT_BYTES].decode("utf-8", "ignore")
        except (TypeError, ValueError, OverflowError, RecursionError):
            text = f"<{type(value).__name__} that is not JSON>"
    return cut(escape_json_control(text), FRAGMENT_BYTES)


def cut(text: str, length: int) -> str:
    """A text cut to so many bytes of UTF-8, never in the middle of a character."""
    encoded = text[:length].encode("utf-8", "replace")
    return encoded[:length].decode("utf-8", "ignore")


def plain_pointer(pointer: str) -> str:
    """A pointer with control and bidirectional characters as JSON spells them.

    No warehouse takes NUL, and a terminal obeys the others.
    """
    return escape_json_control(pointer, lines=False)

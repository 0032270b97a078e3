"""Rejected bodies, records and fields, with the reason for each.

An answer lists a limited number of rejections and counts the others.
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
# At most this many records and this many fields are listed per answer; the others are counted.
MAX_LISTED = 1000


class Rejection(NamedTuple):
    """A bad body, record or field; `pointer` is relative to the enclosing record.

    `entity_key` and `identity_hash` are set for a record that is rejected because of its key.
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
        """The identity of a record that is rejected because of its key."""
        if self.entity_key is None or self.identity_hash is None:
            return None
        return Identity(self.entity, self.entity_key, self.identity_hash)

    def under(self, pointer: str) -> Rejection:
        """The same rejection with `pointer` put in front of its pointer."""
        return self._replace(pointer=stored_pointer(pointer + self.pointer))


_DUPLICATE = "duplicate_key"

# Severity, entity and code.
Reason = tuple[str, str, str]


class Rejects:
    """The rejections of an answer, or of one of its records, in the order of the answer.

    The first `MAX_LISTED` records and the first `MAX_LISTED` fields are in `listed`; `unlisted`
    counts the others by severity, entity and code: an answer may have millions. In addition, one
    record of each id in `claims`, whose key belongs to another id, is listed: which of these ids
    counts depends on when each was published.
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
        """Add a rejection. Its value is encoded, and a callable pointer called, only if listed."""
        if self._has_room(severity):
            where = pointer if isinstance(pointer, str) else pointer()
            self.listed.append(make_rejection(severity, entity, entity_id, where, code, value))
        else:
            self.count((severity, entity, code), 1)

    def add_duplicate(
        self, identity: Identity, entity_id: str, pointer: str, value: Any, *, is_other_id: bool
    ) -> None:
        """Add a record with the key of another record, which has the same id or another id."""
        if self._is_listed("record", identity if is_other_id else None):
            duplicate = make_rejection(
                "record", identity.entity, entity_id, pointer, _DUPLICATE, value
            )
            self.listed.append(
                duplicate._replace(entity_key=identity.key, identity_hash=identity.identity_hash)
            )
        else:
            self.count(("record", identity.entity, _DUPLICATE), 1)

    def extend(self, rejections: Iterable[Rejection], claims: Set[Identity] = frozenset()) -> None:
        """Add rejections in their order; `claims` are the claims of the `Rejects` they are from."""
        for rejection in rejections:
            claim = rejection.identity if claims and rejection.identity in claims else None
            if self._is_listed(rejection.severity, claim):
                self.listed.append(rejection)
            else:
                self.count((rejection.severity, rejection.entity, rejection.code), 1)

    def include(self, other: Rejects, pointer: str) -> None:
        """Add the rejections of the record at a pointer."""
        self.extend([each.under(pointer) for each in other.listed], other.claims)
        self.include_unlisted(other)

    def include_unlisted(self, other: Rejects) -> None:
        """Add the counts of another's unlisted rejections."""
        for reason, number in other.unlisted.items():
            self.count(reason, number)

    def count(self, reason: Reason, number: int) -> None:
        """Count rejections without listing them."""
        self.unlisted[reason] = self.unlisted.get(reason, 0) + number

    def close(self) -> None:
        """Release the memory that only `add` needs: millions of records may have rejects."""
        self._sizes = None

    def counts(self) -> Counter[tuple[str, str]]:
        """The number of rejections by severity and entity, listed or not."""
        counts = Counter((each.severity, each.entity) for each in self.listed)
        for (severity, entity, _), number in self.unlisted.items():
            counts[severity, entity] += number
        return counts

    def rows(self, pointer: str) -> Iterator[tuple[Rejection, int]]:
        """Yield each row of the table with its number of rejections, in the table's order.

        Rejections of one pointer, entity and code are one row. Unlisted rejections are one row per
        severity, entity and code, under the pointer of the answer's records.
        """
        rows: dict[tuple[str, str, str], tuple[Rejection, int]] = {}
        for each in self.listed:
            location = each.pointer, each.entity, each.code
            first, number = rows.get(location, (each, 0))
            rows[location] = first, number + 1
        for (severity, entity, code), number in self.unlisted.items():
            location = f"{pointer}/unlisted/{severity}", entity, code
            rows[location] = Rejection(severity, entity, None, location[0], code, None), number
        for location in sorted(rows):
            yield rows[location]

    def _is_listed(self, severity: str, claim: Identity | None) -> bool:
        """Whether the next rejection is listed; `claim` is its id if its key is another id's."""
        if claim is not None and claim not in self.claims:
            if not isinstance(self.claims, set):
                self.claims = set[Identity]()
            self.claims.add(claim)
            return True
        return self._has_room(severity)

    def _has_room(self, severity: str) -> bool:
        assert self._sizes is not None, "rejects were added after close()"
        size = self._sizes.get(severity, 0)
        if size >= MAX_LISTED:
            return False
        self._sizes[severity] = size + 1
        return True


def make_rejection(
    severity: str, entity: str, entity_id: str | None, pointer: str, code: str, value: Any
) -> Rejection:
    """Create a rejection with fragment and id truncated to the lengths of the columns."""
    shortened_id = None if entity_id is None else truncate(entity_id, ID_BYTES).rstrip(" ")
    return Rejection(severity, entity, shortened_id, pointer, code, fragment(value))


def fragment(value: Any) -> str | None:
    """A value as truncated JSON; None for None."""
    if value is None:
        return None
    if isinstance(value, bytes):
        text = value[:FRAGMENT_BYTES].decode("utf-8", "replace")
    else:
        try:
            # A character that is cut in the middle is dropped.
            text = msgspec.json.encode(value)[:FRAGMENT_BYTES].decode("utf-8", "ignore")
        except (TypeError, ValueError, OverflowError, RecursionError):
            text = f"<{type(value).__name__} that is not JSON>"
    return truncate(escape_json_control(text), FRAGMENT_BYTES).rstrip(" ")


def truncate(text: str, length: int) -> str:
    """Truncate a text to `length` bytes of UTF-8, never in the middle of a character."""
    encoded = text[:length].encode("utf-8", "replace")
    return encoded[:length].decode("utf-8", "ignore")


def escape_pointer(pointer: str) -> str:
    """Escape control and bidirectional characters of a pointer as in JSON.

    Warehouses do not accept NUL, and terminals interpret the others.
    """
    return escape_json_control(pointer, lines=False)


def stored_pointer(pointer: str) -> str:
    """A pointer as in the table: escaped, truncated, without a trailing blank.

    Redshift ignores trailing blanks in comparisons: two pointers that differ in nothing else would
    be one key.
    """
    stored = truncate(escape_pointer(pointer), POINTER_BYTES)
    if not stored.endswith(" "):
        return stored
    text = stored.rstrip(" ")
    return truncate(text + "\\u0020" * (len(stored) - len(text)), POINTER_BYTES)

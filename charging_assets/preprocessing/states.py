"""Attribute states of entities: one in a poll, and an hour's of them as rows.

Belongs here: what a state is, and how equal ones become one row. Does not belong here: how a state
is read (`stations`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple


class State(NamedTuple):
    """An entity in one attribute state; `row` is key, hash, published id, second hash of its ids
    (`identity.identity_hash`), attributes."""

    key: int
    hash: int
    row: tuple[Any, ...]

    @property
    def published_id(self) -> str:
        return str(self.row[2])

    @property
    def identity_hash(self) -> int:
        return int(self.row[3])


def merged(states: Iterable[tuple[Iterable[State], list[datetime]]]) -> list[Any]:
    """Each distinct state with its first slot, last slot and number of polls, in key order."""
    # Equal states are the same object, nearly always: told apart by identity first, which is quick.
    by_identity: dict[int, tuple[State, list[list[datetime]]]] = {}
    for of_record, slots in states:
        if slots:
            for state in of_record:
                known = by_identity.get(id(state))
                if known is None:
                    by_identity[id(state)] = (state, [slots])
                else:
                    known[1].append(slots)
    # Keys of an hour's place are of one id each (`conflicts`), so key and hash are enough.
    found: dict[tuple[int, int], tuple[State, list[list[datetime]]]] = {}
    for state, seen in by_identity.values():
        found.setdefault((state.key, state.hash), (state, []))[1].extend(seen)
    rows = []
    for (key, hashed), (state, seen) in found.items():
        if len(seen) == 1:  # nearly always
            (slots,) = seen
            first, last, count = slots[0], slots[-1], len(slots)
        else:
            first, last = min([s[0] for s in seen]), max([s[-1] for s in seen])
            count = sum(map(len, seen))
        rows.append((key, first, hashed, (first, last, count, state.row)))
    rows.sort(key=itemgetter(0, 1, 2))
    return [row for *_, row in rows]

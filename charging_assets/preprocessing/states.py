"""Attribute states of entities: one in a poll, and an hour's of them as rows.

Belongs here: what a state is, and how equal ones become one row. Does not belong here: how a state
is read (`stations`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSequence
from datetime import datetime
from itertools import chain
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


# First slot, last slot, polls, row.
_Row = tuple[datetime, datetime, int, tuple[Any, ...]]
# A state, and the slots that it was seen in.
_Seen = tuple[State, MutableSequence[datetime]]


def merged(states: Iterable[tuple[Iterable[State], MutableSequence[datetime]]]) -> Iterator[_Row]:
    """Each distinct state with its first slot, last slot and number of polls, in key order."""
    # Equal states are the same object, nearly always: told apart by identity first, which is quick.
    by_identity: dict[int, _Seen] = {}
    again: dict[int, list[MutableSequence[datetime]]] = {}
    for of_record, slots in states:
        if slots:
            for state in of_record:
                identity = id(state)
                if identity in by_identity:
                    again.setdefault(identity, []).append(slots)
                else:
                    by_identity[identity] = (state, slots)
    for identity, more in again.items():
        state, slots = by_identity[identity]
        by_identity[identity] = (state, sorted(chain(slots, *more)))
    seen = _with_equal_ones_as_one(list(by_identity.values()))
    del by_identity
    seen.sort(key=lambda each: (each[0].key, each[1][0], each[0].hash))
    for state, slots in seen:
        yield slots[0], slots[-1], len(slots), state.row


def _with_equal_ones_as_one(seen: list[_Seen]) -> list[_Seen]:
    keys = {state.key for state, _ in seen}
    if len(keys) == len(seen):  # nearly always
        return seen
    # Keys of an hour's place are of one id each (`conflicts`), so key and hash are enough.
    found: dict[tuple[int, int], _Seen] = {}
    for state, slots in seen:
        known = found.get(state[:2])
        found[state[:2]] = (state, slots if known is None else sorted(chain(known[1], slots)))
    return list(found.values())

"""Attribute states of entities, and how equal states of an hour become one row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple


class State(NamedTuple):
    """An entity in one attribute state.

    `row` is the key, hash, published id, second hash of the ids (`identity.identity_hash`) and the
    attributes.
    """

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
# A state, and the slots in which it was polled.
_StateSlots = tuple[State, MutableSequence[datetime]]


def merge_states(
    states: Iterable[tuple[Iterable[State], MutableSequence[datetime]]],
) -> Iterator[_Row]:
    """Each distinct state with its first slot, last slot and number of polls, in key order."""
    # Equal states are nearly always the same object: compare by identity first, which is fast.
    by_identity: dict[int, _StateSlots] = {}
    more_slots: dict[int, list[MutableSequence[datetime]]] = {}
    for of_record, slots in states:
        if slots:
            for state in of_record:
                identity = id(state)
                if identity in by_identity:
                    more_slots.setdefault(identity, []).append(slots)
                else:
                    by_identity[identity] = (state, slots)
    for identity, slot_lists in more_slots.items():
        state, slots = by_identity[identity]
        by_identity[identity] = (state, sorted(chain(slots, *slot_lists)))
    distinct = _merge_equal_states(list(by_identity.values()))
    del by_identity
    distinct.sort(key=lambda each: (each[0].key, each[1][0], each[0].hash))
    for state, slots in distinct:
        yield slots[0], slots[-1], len(slots), state.row


def _merge_equal_states(states: list[_StateSlots]) -> list[_StateSlots]:
    keys = {state.key for state, _ in states}
    if len(keys) == len(states):  # nearly always
        return states
    # Within a place's hour a key belongs to one id (`conflicts`), so key and hash are enough.
    merged: dict[tuple[int, int], _StateSlots] = {}
    for state, slots in states:
        existing = merged.get(state[:2])
        merged[state[:2]] = (
            state,
            slots if existing is None else sorted(chain(existing[1], slots)),
        )
    return list(merged.values())

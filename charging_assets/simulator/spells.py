"""Spells: random periods such as outages, drawn for any window of time.

Time is divided into blocks, with a different offset for each item. A block has at most one spell,
which ends with its block. So the spells of a window depend only on the blocks that it overlaps, and
two adjacent windows agree about a spell that crosses their border.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from charging_assets.simulator.instants import DAY, FAR, HOUR, MINUTE, YEAR
from charging_assets.simulator.randomness import EXPONENTIAL, Bools, Ints, KeyedRandom

AVAILABLE, CHARGING, RESERVED, BLOCKED, OUTOFORDER, INOPERATIVE, UNKNOWN = range(7)
STATUSES = (
    "AVAILABLE",
    "CHARGING",
    "RESERVED",
    "BLOCKED",
    "OUTOFORDER",
    "INOPERATIVE",
    "UNKNOWN",
)

_SPAN = 1 << 36
_LONGEST_BLOCK = 64 * DAY
_SHARE_OF_BLOCKS = 0.75


@dataclass(frozen=True)
class Reliability:
    """Failure rates per EVSE and year, and the share of EVSEs that never report.

    `flaps_per_year` are connection losses of a few minutes, which hide a session without ending it;
    an outage ends it. `stuck_per_year` are EVSEs that publish CHARGING for more than a week without
    a session (none by default: then CHARGING always means a session).
    """

    outages_per_year: float = 1.2
    flaps_per_year: float = 30.0
    never_reporting: float = 0.012
    stuck_per_year: float = 0.0

    @classmethod
    def perfect(cls) -> Reliability:
        """No failures."""
        return cls(0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Cause:
    """One kind of spell: its code, its share among the kinds, its duration in seconds."""

    code: int
    share: float
    mean_s: float
    least_s: int


OUTAGES = (
    Cause(UNKNOWN, 0.45, 9 * DAY, 20 * MINUTE),
    Cause(OUTOFORDER, 0.33, 5 * DAY, 30 * MINUTE),
    Cause(INOPERATIVE, 0.22, 4.5 * DAY, 2 * HOUR),
)
FLAPS = (Cause(UNKNOWN, 1.0, 6 * MINUTE, 2 * MINUTE),)
STUCK = (Cause(CHARGING, 1.0, 18 * DAY, 8 * DAY),)


@dataclass(frozen=True)
class Spells:
    """Spells of rows (of a place's stations or EVSEs), half-open, sorted by row and start."""

    row: Ints
    start: Ints
    end: Ints
    code: Ints

    def select(self, mask: Bools) -> Spells:
        """The spells by mask."""
        return Spells(self.row[mask], self.start[mask], self.end[mask], self.code[mask])

    def overlapping(self, start: int, end: int) -> Spells:
        """The spells that overlap a window."""
        return self.select((self.start < end) & (self.end > start))

    @property
    def keys(self) -> Ints:
        """Row and start in one number, ascending."""
        return self.row * _SPAN + self.start

    @classmethod
    def from_unsorted(cls, row: Ints, start: Ints, end: Ints, code: Ints) -> Spells:
        """Spells in any order."""
        order = np.argsort(row * _SPAN + start, kind="stable")
        return cls(row[order], start[order], end[order], code[order])


def draw(
    rng: KeyedRandom,
    numbers: Ints,
    per_year: float,
    causes: tuple[Cause, ...],
    start: int,
    end: int,
) -> Spells:
    """The spells of some items, by their numbers, that overlap `[start, end)`."""
    if per_year <= 0 or not numbers.size:
        return no_spells()
    block = int(min(_LONGEST_BLOCK, _SHARE_OF_BLOCKS * YEAR / per_year))
    phase = (rng.uniform(numbers, -1) * block).astype(np.int64)
    row, index = blocks(phase, block, start, end)
    has_spell = rng.uniform(numbers[row], index, 0) < per_year * block / YEAR
    row, index = row[has_spell], index[has_spell]
    number = numbers[row]
    begin = phase[row] + index * block
    at = begin + (rng.uniform(number, index, 1) * block).astype(np.int64)
    shares = np.cumsum([cause.share for cause in causes])
    which = np.searchsorted(shares[:-1], rng.uniform(number, index, 2) * shares[-1])
    duration_s = np.array([cause.mean_s for cause in causes])[which]
    duration_s = duration_s * EXPONENTIAL(rng.uniform(number, index, 3))
    duration_s = np.maximum(duration_s, np.array([cause.least_s for cause in causes])[which])
    until = np.minimum(at + duration_s.astype(np.int64), begin + block)
    drawn = Spells(row, at, until, np.array([cause.code for cause in causes])[which])
    return drawn.select(until > at).overlapping(start, end)


def blocks(phase: Ints, length: int, start: int, end: int) -> tuple[Ints, Ints]:
    """The blocks that overlap a window, as (row, index of the block), in order."""
    first = (start - phase) // length
    count = (end - 1 - phase) // length - first + 1
    row = np.repeat(np.arange(phase.size), count)
    index = first[row] + np.arange(row.size) - np.repeat(np.cumsum(count) - count, count)
    return row, index


def no_spells() -> Spells:
    """No spells."""
    none = np.zeros(0, dtype=np.int64)
    return Spells(none, none, none, none)


def unending(rows: Ints, code: int) -> Spells:
    """One spell without an end for each row."""
    return Spells(rows, np.zeros_like(rows), np.full_like(rows, FAR), np.full_like(rows, code))


def union(*parts: Spells, code: int) -> Spells:
    """The union of spells that may overlap, as spells that do not; all get one code."""
    row, start, end, _ = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("row", "start", "end", "code")
    )
    spells = Spells.from_unsorted(row, start, end, np.full_like(row, code))
    if not spells.row.size:
        return spells
    # Keys of different rows are further apart than any time, so one running maximum suffices.
    reach = np.maximum.accumulate(spells.row * _SPAN + spells.end)
    opens = np.concatenate([[True], spells.keys[1:] > reach[:-1]])
    last = np.append(np.flatnonzero(opens)[1:] - 1, spells.row.size - 1)
    first = spells.select(opens)
    return Spells(first.row, first.start, reach[last] - first.row * _SPAN, first.code)


class Timeline:
    """The code of each row at any time: that of its spell, otherwise 0."""

    def __init__(self, rows: int, *parts: Spells) -> None:
        all_rows = np.arange(rows)
        # Ends before starts: where one spell ends as the next begins, the next one is used.
        row = np.concatenate([all_rows, *(p.row for p in parts), *(p.row for p in parts)])
        at = np.concatenate(
            [np.zeros_like(all_rows), *(p.end for p in parts), *(p.start for p in parts)]
        )
        zeros = np.zeros(rows + sum(p.row.size for p in parts), dtype=np.int64)
        code = np.concatenate([zeros, *(p.code for p in parts)])
        keys = row * _SPAN + at
        order = np.argsort(keys, kind="stable")
        self._rows = all_rows * _SPAN
        self._keys = keys[order]
        self._codes = code[order].astype(np.int8)

    def at(self, second: int) -> Ints:
        """Every row's code at a time."""
        positions = np.searchsorted(self._keys, self._rows + second, side="right") - 1
        return self._codes[positions].astype(np.int64)

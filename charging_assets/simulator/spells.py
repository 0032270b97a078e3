"""Spells: what befalls things now and then and lasts a while, such as outages.

Belongs here: drawing spells for any window of time, laying them on a time line, and how often
EVSEs break. Does not belong here: who uses an EVSE (`demand`), what stations do (`life`).

Time is cut into blocks, at another offset for each thing. A block has one spell or none, and a
spell ends with its block. So a window's spells follow from the blocks that it touches, and two
neighbouring windows agree about the spell that lies across their border.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from charging_assets.simulator.instants import DAY, FAR, HOUR, MINUTE, YEAR
from charging_assets.simulator.randomness import EXPONENTIAL, Bools, Dice, Ints

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
    """How often EVSEs fail: rates per EVSE and year, and the share that never reports at all.

    `flaps_per_year` are losses of contact of a few minutes, which hide a session and do not end
    it; an outage ends it. `stuck_per_year` are EVSEs that say CHARGING for more than a week with
    nobody there (none by default: then CHARGING always means a session).
    """

    outages_per_year: float = 1.2
    flaps_per_year: float = 30.0
    never_reporting: float = 0.012
    stuck_per_year: float = 0.0

    @classmethod
    def perfect(cls) -> Reliability:
        """Nothing ever breaks."""
        return cls(0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Cause:
    """One kind of spell: its code, its share among the kinds, how long it lasts in seconds."""

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

    def only(self, wanted: Bools) -> Spells:
        """Those that are wanted."""
        return Spells(self.row[wanted], self.start[wanted], self.end[wanted], self.code[wanted])

    def within(self, start: int, end: int) -> Spells:
        """Those that touch a window."""
        return self.only((self.start < end) & (self.end > start))

    @property
    def keys(self) -> Ints:
        """Row and start in one number, ascending."""
        return self.row * _SPAN + self.start

    @classmethod
    def of(cls, row: Ints, start: Ints, end: Ints, code: Ints) -> Spells:
        """Spells in whatever order."""
        order = np.argsort(row * _SPAN + start, kind="stable")
        return cls(row[order], start[order], end[order], code[order])


def draw(
    dice: Dice, numbers: Ints, per_year: float, causes: tuple[Cause, ...], start: int, end: int
) -> Spells:
    """The spells of some things, known by their numbers, that touch `[start, end)`."""
    if per_year <= 0 or not numbers.size:
        return nothing()
    block = int(min(_LONGEST_BLOCK, _SHARE_OF_BLOCKS * YEAR / per_year))
    phase = (dice.uniform(numbers, -1) * block).astype(np.int64)
    row, index = blocks(phase, block, start, end)
    hit = dice.uniform(numbers[row], index, 0) < per_year * block / YEAR
    row, index = row[hit], index[hit]
    number = numbers[row]
    begin = phase[row] + index * block
    at = begin + (dice.uniform(number, index, 1) * block).astype(np.int64)
    shares = np.cumsum([cause.share for cause in causes])
    which = np.searchsorted(shares[:-1], dice.uniform(number, index, 2) * shares[-1])
    lasts = np.array([cause.mean_s for cause in causes])[which]
    lasts = lasts * EXPONENTIAL(dice.uniform(number, index, 3))
    lasts = np.maximum(lasts, np.array([cause.least_s for cause in causes])[which])
    until = np.minimum(at + lasts.astype(np.int64), begin + block)
    found = Spells(row, at, until, np.array([cause.code for cause in causes])[which])
    return found.only(until > at).within(start, end)


def blocks(phase: Ints, length: int, start: int, end: int) -> tuple[Ints, Ints]:
    """The blocks that touch a window, as (row, index of the block), in order."""
    first = (start - phase) // length
    count = (end - 1 - phase) // length - first + 1
    row = np.repeat(np.arange(phase.size), count)
    index = first[row] + np.arange(row.size) - np.repeat(np.cumsum(count) - count, count)
    return row, index


def nothing() -> Spells:
    """No spells at all."""
    none = np.zeros(0, dtype=np.int64)
    return Spells(none, none, none, none)


def always(rows: Ints, code: int) -> Spells:
    """One spell without an end for each row."""
    return Spells(rows, np.zeros_like(rows), np.full_like(rows, FAR), np.full_like(rows, code))


def united(*parts: Spells, code: int) -> Spells:
    """The union of spells, which may overlap, as spells that do not; all get one code."""
    row, start, end, _ = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("row", "start", "end", "code")
    )
    every = Spells.of(row, start, end, np.full_like(row, code))
    if not every.row.size:
        return every
    # Rows are further apart than any time, so one running maximum serves them all.
    reach = np.maximum.accumulate(every.row * _SPAN + every.end)
    opens = np.concatenate([[True], every.keys[1:] > reach[:-1]])
    last = np.append(np.flatnonzero(opens)[1:] - 1, every.row.size - 1)
    first = every.only(opens)
    return Spells(first.row, first.start, reach[last] - first.row * _SPAN, first.code)


class Timeline:
    """What code each row has at any time: 0 except within the spells given."""

    def __init__(self, rows: int, *parts: Spells) -> None:
        every = np.arange(rows)
        # Ends before starts: where one spell ends and the next begins, the next one counts.
        row = np.concatenate([every, *(p.row for p in parts), *(p.row for p in parts)])
        at = np.concatenate(
            [np.zeros_like(every), *(p.end for p in parts), *(p.start for p in parts)]
        )
        zeros = np.zeros(rows + sum(p.row.size for p in parts), dtype=np.int64)
        code = np.concatenate([zeros, *(p.code for p in parts)])
        keys = row * _SPAN + at
        order = np.argsort(keys, kind="stable")
        self._rows = every * _SPAN
        self._keys = keys[order]
        self._codes = code[order].astype(np.int8)

    def at(self, second: int) -> Ints:
        """Every row's code at a time."""
        found = np.searchsorted(self._keys, self._rows + second, side="right") - 1
        return self._codes[found].astype(np.int64)

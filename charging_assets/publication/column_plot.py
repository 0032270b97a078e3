"""Columns over time as a small SVG, without a library.

Belongs here: drawing. Does not belong here: what is drawn (`plots`).
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from charging_assets.dashboard.palette import GAP, INK, QUIET, STATUS

_WIDTH, _ROOM, _LEFT, _TOP = 440, 90, 40, 8
_BELOW, _LEGEND, _NAMES_A_LINE = 20, 15, 4
_LABELS = 4


class Drawn(enum.Enum):
    """How amounts become columns."""

    STACKED = "each series' part of its column's sum, one on the other"
    SHARE = "a share of 1"
    COUNT = "a number"


def column_plot(how: Drawn, spots: Sequence[datetime], rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of `column_at`, `series` (a status) and `amount`, at evenly spaced times.

    A time without rows, or whose amount is null, is a gap and shown as one.
    """
    width = (_WIDTH - _LEFT) / len(spots)
    left = {spot: _LEFT + n * width for n, spot in enumerate(spots)}
    held = [row for row in rows if row["column_at"] in left and row["amount"] is not None]
    sums = dict.fromkeys(spots, 0.0)
    for row in held:
        sums[row["column_at"]] += row["amount"]
    top = 1.0 if how is Drawn.STACKED else _top(max(sums.values()), how)
    reached = dict.fromkeys(spots, 0.0)
    paths: dict[str, str] = {}
    for name in STATUS:
        for row in held:
            spot = row["column_at"]
            whole = sums[spot] if how is Drawn.STACKED else top
            if row["series"] == name and row["amount"]:
                height = _ROOM * row["amount"] / whole
                reached[spot] += height
                column = _column(left[spot], reached[spot], width - 1, height)
                paths[name] = paths.get(name, "") + column
    seen = {row["column_at"] for row in held}
    gap = "".join(
        _column(left[spot], _ROOM, width - 1, _ROOM) for spot in spots if spot not in seen
    )
    drawn = [
        f'<path fill="{GAP}" stroke="{QUIET}" stroke-dasharray="2" d="{gap}"/>' if gap else "",
        *(f'<path fill="{STATUS[name]}" d="{path}"/>' for name, path in paths.items()),
        f'<path stroke="{QUIET}" d="M{_LEFT} {_TOP + _ROOM}H{_WIDTH}"/>',
        _text(_LEFT - 4, _TOP + 8, f"{top:.0f}" if how is Drawn.COUNT else f"{top:.0%}", "end"),
        _text(_LEFT - 4, _TOP + _ROOM, "0", "end"),
        *(_text(left[spot], _TOP + _ROOM + 15, told) for spot, told in _times(spots)),
    ]
    height = _TOP + _ROOM + _BELOW
    if how is Drawn.STACKED:
        drawn += _legend(list(paths), height)
        height += _LEGEND * -(-len(paths) // _NAMES_A_LINE)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="11" fill="{INK}">'
        f'<path fill="#fff" d="M0 0h{_WIDTH}v{height}H0z"/>{"".join(drawn)}</svg>'
    )


def _column(left: float, reached: float, width: float, height: float) -> str:
    """A column that reaches so high above the base, as part of a path."""
    return f"M{left:.1f} {_TOP + _ROOM - reached:.1f}h{width:.1f}v{height:.1f}h-{width:.1f}z"


def _top(most: float, how: Drawn) -> float:
    """The end of the scale: the next of 1, 2 or 5 and their tenfolds, for shares at most 1."""
    least = 1.0 if how is Drawn.COUNT else 0.01
    most = max(most, least)
    unit = 10.0 ** math.floor(math.log10(most))
    found = next(unit * step for step in (1, 2, 5, 10) if most <= unit * step * 1.0001)
    return found if how is Drawn.COUNT else min(1.0, found)


def _times(spots: Sequence[datetime]) -> list[tuple[datetime, str]]:
    by_day = spots[1] - spots[0] >= timedelta(days=1)
    every = len(spots) // _LABELS
    return [(spot, f"{spot:%m-%d}" if by_day else f"{spot:%m-%d %H:%M}") for spot in spots[::every]]


def _legend(names: Sequence[str], top: int) -> list[str]:
    drawn = []
    for n, name in enumerate(names):
        x = _LEFT + n % _NAMES_A_LINE * (_WIDTH - _LEFT) // _NAMES_A_LINE
        y = top + n // _NAMES_A_LINE * _LEGEND + 9
        drawn.append(f'<path fill="{STATUS[name]}" d="M{x} {y - 7}h8v8h-8z"/>')
        drawn.append(_text(x + 11, y, name, size=9))
    return drawn


def _text(x: float, y: float, told: str, anchor: str = "start", size: int = 11) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}">{told}</text>'

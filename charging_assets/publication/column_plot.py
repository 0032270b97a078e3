"""Column charts over time as small SVGs, without a plotting library."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from charging_assets.schemas.palette import GAP, INK, QUIET, STATUS

_WIDTH, _ROOM, _LEFT, _TOP = 440, 90, 40, 8
_BELOW, _LEGEND, _NAMES_A_LINE = 20, 15, 4
_LABELS = 4


class ColumnStyle(enum.Enum):
    """How amounts are drawn as columns."""

    STACKED = "shares of the sum, stacked"
    SHARE = "a share of 1"
    COUNT = "a number"


def column_plot(
    style: ColumnStyle, times: Sequence[datetime], rows: Sequence[Mapping[str, Any]]
) -> str:
    """Draw rows of `column_at`, `series` (a status) and `amount`, at evenly spaced times.

    A time without rows or with a null amount is shown as a gap.
    """
    width = (_WIDTH - _LEFT) / len(times)
    left = {time: _LEFT + n * width for n, time in enumerate(times)}
    values = [row for row in rows if row["column_at"] in left and row["amount"] is not None]
    sums = dict.fromkeys(times, 0.0)
    for row in values:
        sums[row["column_at"]] += row["amount"]
    top = 1.0 if style is ColumnStyle.STACKED else _scale_end(max(sums.values()), style)
    heights_so_far = dict.fromkeys(times, 0.0)
    paths: dict[str, str] = {}
    for name in STATUS:
        for row in values:
            time = row["column_at"]
            whole = sums[time] if style is ColumnStyle.STACKED else top
            if row["series"] == name and row["amount"]:
                height = _ROOM * row["amount"] / whole
                heights_so_far[time] += height
                column = _column_path(left[time], heights_so_far[time], width - 1, height)
                paths[name] = paths.get(name, "") + column
    seen = {row["column_at"] for row in values}
    gap = "".join(
        _column_path(left[time], _ROOM, width - 1, _ROOM) for time in times if time not in seen
    )
    elements = [
        f'<path fill="{GAP}" stroke="{QUIET}" stroke-dasharray="2" d="{gap}"/>' if gap else "",
        *(f'<path fill="{STATUS[name]}" d="{path}"/>' for name, path in paths.items()),
        f'<path stroke="{QUIET}" d="M{_LEFT} {_TOP + _ROOM}H{_WIDTH}"/>',
        _text(
            _LEFT - 4, _TOP + 8, f"{top:.0f}" if style is ColumnStyle.COUNT else f"{top:.0%}", "end"
        ),
        _text(_LEFT - 4, _TOP + _ROOM, "0", "end"),
        *(_text(left[time], _TOP + _ROOM + 15, text) for time, text in _axis_labels(times)),
    ]
    height = _TOP + _ROOM + _BELOW
    if style is ColumnStyle.STACKED:
        elements += _legend(list(paths), height)
        height += _LEGEND * -(-len(paths) // _NAMES_A_LINE)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="11" fill="{INK}">'
        f'<path fill="#fff" d="M0 0h{_WIDTH}v{height}H0z"/>{"".join(elements)}</svg>'
    )


def _column_path(left: float, top: float, width: float, height: float) -> str:
    """A column as part of an SVG path; its end is `top` above the base."""
    return f"M{left:.1f} {_TOP + _ROOM - top:.1f}h{width:.1f}v{height:.1f}h-{width:.1f}z"


def _scale_end(most: float, style: ColumnStyle) -> float:
    """The end of the scale: the next 1, 2 or 5 times a power of ten; at most 1 for shares."""
    least = 1.0 if style is ColumnStyle.COUNT else 0.01
    most = max(most, least)
    unit = 10.0 ** math.floor(math.log10(most))
    limit = next(unit * step for step in (1, 2, 5, 10) if most <= unit * step * 1.0001)
    return limit if style is ColumnStyle.COUNT else min(1.0, limit)


def _axis_labels(times: Sequence[datetime]) -> list[tuple[datetime, str]]:
    by_day = times[1] - times[0] >= timedelta(days=1)
    every = len(times) // _LABELS
    return [(time, f"{time:%m-%d}" if by_day else f"{time:%m-%d %H:%M}") for time in times[::every]]


def _legend(names: Sequence[str], top: int) -> list[str]:
    elements = []
    for n, name in enumerate(names):
        x = _LEFT + n % _NAMES_A_LINE * (_WIDTH - _LEFT) // _NAMES_A_LINE
        y = top + n // _NAMES_A_LINE * _LEGEND + 9
        elements.append(f'<path fill="{STATUS[name]}" d="M{x} {y - 7}h8v8h-8z"/>')
        elements.append(_text(x + 11, y, name, size=9))
    return elements


def _text(x: float, y: float, text: str, anchor: str = "start", size: int = 11) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}">{text}</text>'

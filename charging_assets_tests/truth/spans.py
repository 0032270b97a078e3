"""Arithmetic on time spans `[start, end)`: join, clip, subtract."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

Span = tuple[datetime, datetime]


def join_spans(spans: Iterable[Span]) -> list[Span]:
    """Spans without overlaps, in order."""
    joined_spans: list[Span] = []
    for start, end in sorted(spans):
        if joined_spans and start <= joined_spans[-1][1]:
            joined_spans[-1] = (joined_spans[-1][0], max(joined_spans[-1][1], end))
        else:
            joined_spans.append((start, end))
    return joined_spans


def overlaps(span: Span, hidden: Iterable[Span], shadow: timedelta) -> bool:
    """Whether a span overlaps one of others, or its shadow before and after."""
    return any(start - shadow < span[1] and end + shadow > span[0] for start, end in hidden)


def clip(span: Span, start: datetime, end: datetime) -> Span:
    """What of a span lies in `[start, end)`; one that ends before it begins is outside."""
    return max(span[0], start), min(span[1], end)


def subtract_spans(span: Span, hidden: Iterable[Span]) -> list[Span]:
    """A span's parts outside of others, which are in order and do not overlap."""
    parts, at = [], span[0]
    for start, end in hidden:
        if end <= at or start >= span[1]:
            continue
        if start > at:
            parts.append((at, start))
        at = max(at, end)
    if at < span[1]:
        parts.append((at, span[1]))
    return parts


def total_length(spans: Iterable[Span]) -> float:
    """Seconds, added up."""
    return sum((end - start).total_seconds() for start, end in spans)

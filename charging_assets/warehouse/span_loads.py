"""Loading spans of hours, down to single hours and feeds where a span cannot be loaded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from charging_assets.hours import Hour, Span, span_of
from charging_assets.lake.flat_files import StaleFlatFile
from charging_assets.lake.store import LakeError
from charging_assets.warehouse.interface import Warehouse
from charging_assets.warehouse.plan import (
    GuardFailed,
    LoadError,
    LoadResult,
    NotStaged,
    Plan,
    SpanLoad,
    WrongColumns,
)

# What is wrong with the rows of an hour; anything else may be wrong with the engine.
_OF_THE_HOUR = (GuardFailed, NotStaged, WrongColumns, StaleFlatFile, LakeError)
# So many hours in a row that the engine cannot load are enough to know that it loads none.
_MAX_ENGINE_FAILURES = 3


@dataclass(frozen=True)
class SpanResult:
    """A span that was loaded, or an hour that was not: then `error` is the reason.

    `feed` is set where a feed's hour was loaded alone, since the hour as a whole could not be.
    """

    span: Hour | Span
    seconds: float
    loaded: LoadResult | None = None
    error: str | None = None
    feed: str | None = None


@dataclass(frozen=True)
class _Part:
    span: Hour | Span
    plan_of: Callable[[], Plan]
    feed: str | None = None


def apply_spans(warehouse: Warehouse, load: SpanLoad) -> Iterator[SpanResult]:
    """Run a load span by span, in order, each in a transaction; of a span that fails its halves.

    Where an hour of several feeds fails, each of them is loaded alone. Where the engine cannot load
    several single hours one after the other, the rest is not tried.
    """
    stack = [_span_part(load, span) for span in reversed(load.spans)]
    engine_failures = 0
    while stack:
        part, started = stack.pop(), time.monotonic()
        try:
            done = warehouse.apply(part.plan_of())
        except (LoadError, StaleFlatFile, LakeError) as error:
            smaller = _smaller_parts(load, part)
            if smaller:
                stack += reversed(smaller)
                continue
            reason = f"{type(error).__name__}: {error}"
            yield SpanResult(part.span, time.monotonic() - started, error=reason, feed=part.feed)
            engine_failures = 0 if isinstance(error, _OF_THE_HOUR) else engine_failures + 1
            if engine_failures == _MAX_ENGINE_FAILURES:
                reason = f"not tried after {part.span}: {reason}"
                for rest in reversed(stack):
                    for hour in rest.span.hours:
                        yield SpanResult(hour, 0.0, error=reason, feed=rest.feed)
                return
        else:
            engine_failures = 0
            yield SpanResult(part.span, time.monotonic() - started, loaded=done, feed=part.feed)


def _span_part(load: SpanLoad, span: Hour | Span) -> _Part:
    return _Part(span, partial(load.plan_of, span))


def _smaller_parts(load: SpanLoad, part: _Part) -> list[_Part]:
    """What to load instead of a part that failed: halves, feeds, or nothing."""
    hours = part.span.hours
    if len(hours) > 1:
        middle = len(hours) // 2
        return [_span_part(load, span_of(half)) for half in (hours[:middle], hours[middle:])]
    if part.feed is not None or load.plans_by_feed is None:
        return []
    plans = load.plans_by_feed(hours[0])
    if len(plans) < 2:
        return []
    return [_Part(hours[0], plan_of, feed) for feed, plan_of in plans.items()]

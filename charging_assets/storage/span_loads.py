"""Loading spans of hours, down to single hours where a span cannot be loaded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from charging_assets.partitions import Hour, Span, spanned
from charging_assets.storage.flat_files import StaleFlatFile
from charging_assets.storage.lake import LakeError
from charging_assets.storage.plan import (
    GuardFailed,
    Loaded,
    LoadError,
    NotStaged,
    SpanLoad,
    WrongColumns,
)
from charging_assets.storage.warehouse import Warehouse

# What is wrong with the rows of an hour; anything else may be wrong with the engine.
_OF_THE_HOUR = (GuardFailed, NotStaged, WrongColumns, StaleFlatFile, LakeError)
# So many hours in a row that the engine cannot load are enough to know that it loads none.
_MAX_ENGINE_FAILURES = 3


@dataclass(frozen=True)
class SpanResult:
    """A span that was loaded, or an hour that was not: then `error` is the reason."""

    span: Hour | Span
    seconds: float
    loaded: Loaded | None = None
    error: str | None = None


def apply_spans(warehouse: Warehouse, load: SpanLoad) -> Iterator[SpanResult]:
    """Run a load span by span, in order, each in a transaction; of a span that fails its halves.

    Where the engine cannot load several single hours one after the other, the rest is not tried.
    """
    stack = list(reversed(load.spans))
    engine_failures = 0
    while stack:
        span, started = stack.pop(), time.monotonic()
        try:
            done = warehouse.apply(load.plan_of(span))
        except (LoadError, StaleFlatFile, LakeError) as error:
            hours = span.hours
            if len(hours) > 1:
                middle = len(hours) // 2
                stack += [spanned(hours[middle:]), spanned(hours[:middle])]
                continue
            reason = f"{type(error).__name__}: {error}"
            yield SpanResult(span, time.monotonic() - started, error=reason)
            engine_failures = 0 if isinstance(error, _OF_THE_HOUR) else engine_failures + 1
            if engine_failures == _MAX_ENGINE_FAILURES:
                for hour in (hour for rest in reversed(stack) for hour in rest.hours):
                    yield SpanResult(hour, 0.0, error=f"not tried after {span}: {reason}")
                return
        else:
            engine_failures = 0
            yield SpanResult(span, time.monotonic() - started, loaded=done)

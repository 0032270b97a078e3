"""The types of checks: a rule about an hour of an asset, its context and its finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Protocol

import pyarrow as pa

from charging_assets.hours import Hour, Span, to_naive_utc
from charging_assets.lake.store import Lake
from charging_assets.sources.feeds import Feed
from charging_assets.warehouse.interface import Reader
from charging_assets.warehouse.plan import window
from charging_assets.warehouse.sql_files import sql

SAMPLE_SIZE = 20
LOOKBACK = timedelta(days=28)
_LONGEST_DAY, _LONGEST_MONTH = timedelta(hours=25), timedelta(days=31, hours=1)

Row = Mapping[str, Any]


class Severity(Enum):
    """`ERROR`: the pipeline breaks a guarantee. `WARN`: the source or its polling needs a look."""

    ERROR = "error"
    WARN = "warn"


class CheckContext(Protocol):
    """An hour and the data that a rule may read."""

    hour: Hour
    lake: Lake
    warehouse: Reader
    now: datetime
    feeds: Mapping[str, Feed]

    def query_flat_files(self, select: str) -> pa.Table:
        """The rows of a SELECT over the hour's flat files in the lake."""

    def query_warehouse(self, select: str, **extra: Any) -> pa.Table:
        """The rows of a SELECT over the warehouse; `extra` adds to `parameters`."""


Find = Callable[[CheckContext], "pa.Table | Sequence[Row]"]


@dataclass(frozen=True)
class Rule:
    """A rule about an hour of an asset; `find` returns the rows that violate it, the worst first.

    The check passes if there are none, or at most `tolerated` (a share from 0 to 1) of the number
    that `population` returns. `needs` names other assets that `find` reads. A rule that
    `reads_staging` can only be evaluated while staging has the hour.

    `is_span_safe` means: if `find` returns no row for a span of hours, it returns none for any hour
    of the span. This holds for rules that test single rows of the warehouse. It does not hold for
    rules about sums, or about rows that each hour must have.
    """

    asset: str
    rule: str
    description: str
    remedy: str
    find: Find
    severity: Severity = Severity.WARN
    needs: tuple[str, ...] = ()
    tolerated: float = 0.0
    population: Callable[[CheckContext], int] | None = None
    reads_staging: bool = False
    is_span_safe: bool = False

    @property
    def name(self) -> str:
        return f"{self.asset}__{self.rule}"


@dataclass(frozen=True)
class Finding:
    """The result of a rule: the number of failing rows, and the first `SAMPLE_SIZE` of them."""

    rule: Rule
    count: int
    sample: tuple[Row, ...]
    population: int | None = None

    @property
    def passed(self) -> bool:
        return self.count <= self.rule.tolerated * (self.population or 0)


def from_flat_files(name: str) -> Find:
    """A `find` that runs `sql/checks/<name>.sql` over the hour's flat files."""
    return lambda context: context.query_flat_files(sql(f"checks/{name}"))


def from_warehouse(name: str, **extra: Any) -> Find:
    """A `find` that runs `sql/checks/<name>.sql` over the warehouse, with `extra` parameters."""
    return lambda context: context.query_warehouse(sql(f"checks/{name}"), **extra)


def from_warehouse_select(select: str) -> Find:
    """A `find` that runs the text of a SELECT over the warehouse."""
    return lambda context: context.query_warehouse(select)


def parameters(hour: Hour | Span, now: datetime) -> dict[str, datetime]:
    """The parameters of the SELECTs of checks: naive UTC, half-open intervals.

    `window_*` bounds the hour. `days_*` and `months_*` bound the start of the local days and months
    that contain it, in any time zone. `past_start` is four weeks before the hour.
    """
    return {
        **window(hour),
        "days_from": to_naive_utc(hour.start - _LONGEST_DAY),
        "days_to": to_naive_utc(hour.end),
        "months_from": to_naive_utc(hour.start - _LONGEST_MONTH),
        "months_to": to_naive_utc(hour.end),
        "past_start": to_naive_utc(hour.start - LOOKBACK),
        "now_at": to_naive_utc(now),
    }

"""What a check is: a rule about an hour of an asset, and what was found to break it.

Belongs here: the vocabulary. Does not belong here: any rule (`volume`, `keys`, `domain`,
`freshness`), or how rules are run (`evaluate`) and shown (`assets`).
"""

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

SAMPLE = 20
PAST = timedelta(days=28)
_LONGEST_DAY, _LONGEST_MONTH = timedelta(hours=25), timedelta(days=31, hours=1)

Row = Mapping[str, Any]


class Severity(Enum):
    """`ERROR` for what the program promises, `WARN` for what a source does."""

    ERROR = "error"
    WARN = "warn"


class Scene(Protocol):
    """An hour, and all that a rule may look at."""

    hour: Hour
    lake: Lake
    warehouse: Reader
    now: datetime
    feeds: Mapping[str, Feed]

    def in_flat_files(self, select: str) -> pa.Table:
        """Rows of a SELECT over the hour's flat files in the lake."""

    def in_warehouse(self, select: str, **more: Any) -> pa.Table:
        """Rows of a SELECT over the warehouse; `more` are parameters of its own."""


Find = Callable[[Scene], "pa.Table | Sequence[Row]"]


@dataclass(frozen=True)
class Rule:
    """A rule about an hour of an asset; `find` gives the rows that break it, the worst first.

    The check passes if there are none, or at most `tolerated` (a share) of what `population`
    counts. `needs` are other assets that `find` looks at. A rule that `reads_staging` can only be
    evaluated while staging has the hour.

    `is_of_spans` promises: where `find` has no row for a span of hours, it has none for any hour of
    it. So it is for rules that judge row by row of the warehouse, and not for sums, or for what an
    hour must have.
    """

    asset: str
    rule: str
    description: str
    remedy: str
    find: Find
    severity: Severity = Severity.WARN
    needs: tuple[str, ...] = ()
    tolerated: float = 0.0
    population: Callable[[Scene], int] | None = None
    reads_staging: bool = False
    is_of_spans: bool = False

    @property
    def name(self) -> str:
        return f"{self.asset}__{self.rule}"


@dataclass(frozen=True)
class Finding:
    """What came of a rule: how many rows break it, and the first of them."""

    rule: Rule
    count: int
    sample: tuple[Row, ...]
    population: int | None = None

    @property
    def passed(self) -> bool:
        return self.count <= self.rule.tolerated * (self.population or 0)


def flat(name: str) -> Find:
    """The rows of `sql/checks/<name>.sql`, of the hour's flat files."""
    return lambda scene: scene.in_flat_files(sql(f"checks/{name}"))


def warehouse(name: str, **more: Any) -> Find:
    """The rows of `sql/checks/<name>.sql`, of the warehouse."""
    return lambda scene: scene.in_warehouse(sql(f"checks/{name}"), **more)


def warehouse_text(select: str) -> Find:
    """The rows of a SELECT that was rendered from the schema, of the warehouse."""
    return lambda scene: scene.in_warehouse(select)


def parameters(hour: Hour | Span, now: datetime) -> dict[str, datetime]:
    """The parameters that SELECTs of checks may name: naive UTC, half-open.

    `window` is the hour; `days` and `months` are where local days and months that hold it begin;
    `past` begins four weeks before it.
    """
    return {
        **window(hour),
        "days_from": to_naive_utc(hour.start - _LONGEST_DAY),
        "days_to": to_naive_utc(hour.end),
        "months_from": to_naive_utc(hour.start - _LONGEST_MONTH),
        "months_to": to_naive_utc(hour.end),
        "past_start": to_naive_utc(hour.start - PAST),
        "now_at": to_naive_utc(now),
    }

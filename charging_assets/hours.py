"""The UTC hour: the one partition that every asset has.

Belongs here: the partitions definition, the window of an hour, and the arithmetic between
instants, hours and slots. Does not belong here: local time, which is an attribute that SQL
derives and never a key.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster import BackfillPolicy, HourlyPartitionsDefinition

HOUR_FORMAT = "%Y-%m-%dT%H"
FIRST_HOUR = datetime(2021, 1, 1, tzinfo=UTC)
ONE_HOUR = timedelta(hours=1)
# A week: sensors and commands request at most so many hours in one run, so that a run that is lost
# costs little, and spans of hours are loaded by one statement.
HOURS_A_RUN = 168


@dataclass(frozen=True, order=True)
class Hour:
    """A UTC hour, half-open `[start, end)`; `key` is its partition key."""

    start: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.start.utcoffset() != timedelta(0):
            raise ValueError(f"an hour starts at a UTC instant, not at {self.start!r}")
        if self.start != self.start.replace(minute=0, second=0, microsecond=0):
            raise ValueError(f"an hour starts on the hour, not at {self.start.isoformat()}")

    @property
    def end(self) -> datetime:
        return self.start + ONE_HOUR

    @property
    def key(self) -> str:
        return self.start.strftime(HOUR_FORMAT)

    @property
    def hours(self) -> tuple[Hour, ...]:
        return (self,)

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    def __str__(self) -> str:
        return self.key

    @classmethod
    def of(cls, instant: datetime) -> Hour:
        """The hour that contains an aware instant."""
        return cls(instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0))

    @classmethod
    def parse(cls, key: str) -> Hour:
        """The hour of a partition key; ValueError names the form that is wanted."""
        try:
            hour = cls(datetime.strptime(key, HOUR_FORMAT).replace(tzinfo=UTC))
            if hour.key != key:
                raise ValueError
            return hour
        except ValueError:
            raise ValueError(
                f"{key!r} is not an hour; give UTC hours as YYYY-MM-DDTHH, such as 2022-01-11T20"
            ) from None


@dataclass(frozen=True)
class Span:
    """Hours that are loaded together, in order: all that has data within `[start, end)`."""

    hours: tuple[Hour, ...]

    def __post_init__(self) -> None:
        if not self.hours or list(self.hours) != sorted(set(self.hours)):
            raise ValueError("a span has hours, each once and in order")

    @property
    def start(self) -> datetime:
        return self.hours[0].start

    @property
    def end(self) -> datetime:
        return self.hours[-1].end

    @property
    def key(self) -> str:
        return f"{self.hours[0].key}--{self.hours[-1].key}"

    def __str__(self) -> str:
        return f"{self.hours[0]} to {self.hours[-1]}"


def spanned(hours: Sequence[Hour]) -> Hour | Span:
    """Hours in order as one span, or the one hour."""
    return hours[0] if len(hours) == 1 else Span(tuple(hours))


def to_naive_utc(instant: datetime) -> datetime:
    """An instant as tables store it: UTC, without saying so."""
    return instant.astimezone(UTC).replace(tzinfo=None)


def hours_between(first: Hour, last: Hour) -> Iterator[Hour]:
    """Every hour from `first` to `last`, both included."""
    start = first.start
    while start <= last.start:
        yield Hour(start)
        start += ONE_HOUR


def spans(hours: Iterable[Hour]) -> str:
    """Hours in words, neighbours as a span: "2022-01-11T20 to 2022-01-11T23, 2022-01-12T02"."""
    return ", ".join(str(spanned(group)) for group in neighbours(hours))


def neighbours(hours: Iterable[Hour], most: int | None = None) -> Iterator[tuple[Hour, ...]]:
    """Hours in order, each once, in groups without a missing hour and of at most `most` hours."""
    group: list[Hour] = []
    for hour in sorted(set(hours)):
        if group and (hour.start != group[-1].end or len(group) == most):
            yield tuple(group)
            group = []
        group.append(hour)
    if group:
        yield tuple(group)


def slot_of(instant: datetime, cadence: timedelta) -> datetime:
    """The slot an instant belongs to: its floor to a multiple of the cadence since midnight UTC."""
    instant = instant.astimezone(UTC)
    midnight = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + ((instant - midnight) // cadence) * cadence


def hourly_partitions() -> HourlyPartitionsDefinition:
    """The partitions definition of every asset: UTC hours since 2021, the running one included."""
    from dagster import HourlyPartitionsDefinition

    return HourlyPartitionsDefinition(
        start_date=FIRST_HOUR, timezone="UTC", fmt=HOUR_FORMAT, end_offset=1
    )


def backfill_policy() -> BackfillPolicy:
    """How backfills are cut into runs."""
    from dagster import BackfillPolicy

    # Beta in the release that the lock pins; without this, every start of Dagster says so 13 times.
    warnings.filterwarnings("ignore", message="Parameter `backfill_policy`")
    # The memory of a run does not grow with its hours. Backfills of a job take over the policy.
    return BackfillPolicy.single_run()

"""UTC hours, the partitions of every asset, and the arithmetic of instants, hours and slots.

Local time is an attribute that SQL derives, and never a key.
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
# A week: the most hours that sensors and commands request in one run, so that little work is lost
# if the run fails.
HOURS_A_RUN = 168


@dataclass(frozen=True, order=True)
class Hour:
    """A UTC hour, half-open `[start, end)`; `key` is its partition key."""

    start: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.start.utcoffset() != timedelta(0):
            raise ValueError(f"an hour must start at a UTC instant, not at {self.start!r}")
        if self.start != self.start.replace(minute=0, second=0, microsecond=0):
            raise ValueError(f"an hour must start on the hour, not at {self.start.isoformat()}")

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
        """The hour of a partition key.

        Raises:
            ValueError: the key is not an hour; the message shows the format.
        """
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
    """Hours that are loaded together, in order: all hours with data within `[start, end)`."""

    hours: tuple[Hour, ...]

    def __post_init__(self) -> None:
        if not self.hours or list(self.hours) != sorted(set(self.hours)):
            raise ValueError("a span needs at least one hour; hours must be unique and sorted")

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


def span_of(hours: Sequence[Hour]) -> Hour | Span:
    """The span of sorted hours; the hour itself if there is only one."""
    return hours[0] if len(hours) == 1 else Span(tuple(hours))


def to_naive_utc(instant: datetime) -> datetime:
    """An instant as tables store it: UTC without a time zone."""
    return instant.astimezone(UTC).replace(tzinfo=None)


def hours_between(first: Hour, last: Hour) -> Iterator[Hour]:
    """Every hour from `first` to `last`, inclusive."""
    start = first.start
    while start <= last.start:
        yield Hour(start)
        start += ONE_HOUR


def format_spans(hours: Iterable[Hour]) -> str:
    """Hours and spans of hours as text: "2022-01-11T20 to 2022-01-11T23, 2022-01-12T02"."""
    return ", ".join(str(span_of(group)) for group in consecutive_groups(hours))


def consecutive_groups(
    hours: Iterable[Hour], max_hours: int | None = None
) -> Iterator[tuple[Hour, ...]]:
    """Groups of consecutive hours, sorted and unique, with at most `max_hours` in a group."""
    group: list[Hour] = []
    for hour in sorted(set(hours)):
        if group and (hour.start != group[-1].end or len(group) == max_hours):
            yield tuple(group)
            group = []
        group.append(hour)
    if group:
        yield tuple(group)


def slot_of(instant: datetime, cadence: timedelta) -> datetime:
    """The slot of an instant: floored to a multiple of the cadence since midnight UTC."""
    instant = instant.astimezone(UTC)
    midnight = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + ((instant - midnight) // cadence) * cadence


def hourly_partitions() -> HourlyPartitionsDefinition:
    """The partitions definition of every asset: UTC hours since 2021, including the current one.

    The start is the same in every deployment (docs/decisions/0041).
    """
    from dagster import HourlyPartitionsDefinition

    return HourlyPartitionsDefinition(
        start_date=FIRST_HOUR, timezone="UTC", fmt=HOUR_FORMAT, end_offset=1
    )


def backfill_policy() -> BackfillPolicy:
    """The backfill policy: one run for all partitions."""
    from dagster import BackfillPolicy

    # Beta in the locked release of Dagster, which would otherwise print 13 warnings on every start.
    warnings.filterwarnings("ignore", message="Parameter `backfill_policy`")
    # The memory of a run does not grow with its hours. Backfills of a job use this policy too.
    return BackfillPolicy.single_run()

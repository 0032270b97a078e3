"""What most pages are narrowed down by: city, operator, days.

Belongs here: these fields of the form, and what they come to as parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from charging_assets.dashboard.asked import DAYS, Asked, utc
from charging_assets.dashboard.blocks import Choice
from charging_assets.dashboard.reader import Rows

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """Local days, both included, as they are and as UTC instants `[start, end)`."""

    first: datetime
    last: datetime
    start: datetime
    end: datetime

    @property
    def day_count(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def all_days(self) -> list[datetime]:
        return [self.first + timedelta(days=n) for n in range(self.day_count)]

    def dates(self) -> dict[str, datetime]:
        return {"from_date": self.first, "to_date": self.last}

    def window(self) -> dict[str, datetime]:
        return {"window_start": self.start, "window_end": self.end}

    def scope(self, asked: Asked) -> dict[str, datetime]:
        """Days and instants, and now: what is after the end of the newest poll is not missing."""
        return {**self.dates(), **self.window(), "now_at": asked.feed.observed_until}

    def begun_day_count(self, asked: Asked) -> int:
        """How many of the days have begun, by the newest poll; all where none has."""
        newest = asked.words.local(asked.feed.newest_at)
        days = (min(self.last, newest) - self.first).days + 1
        return days if days > 0 else self.day_count


def period_of(
    asked: Asked, default: int = DAYS, first_at: datetime | None = None, *, whole: bool = True
) -> Period:
    """The days of the address; `Asked.days` says which they are where it names none."""
    first, last = asked.days(default, first_at, whole=whole)
    zone = asked.feed.time_zone
    return Period(first, last, utc(first, zone), utc(last + _ONE_DAY, zone))


def first_seen(
    asked: Asked, rows: Rows, place: str = "", operator: str = "", station_key: int = 0
) -> datetime | None:
    """When a station of a city, of an operator, or one of its own was first seen; naive UTC."""
    (row,) = rows(
        "dashboard/first_seen",
        feed=asked.feed.name,
        place=place,
        operator_name=operator,
        station_key=station_key,
    )
    first_at: datetime | None = row["first_at"]
    return first_at


@dataclass(frozen=True)
class Narrowed:
    """City and operator; empty where all are meant."""

    place: str
    operator: str
    cities: dict[str, str]
    operators: list[str]

    def params(self, asked: Asked) -> dict[str, Any]:
        return {
            "feed": asked.feed.name,
            "place": self.place,
            "operator_name": self.operator,
        }

    def told(self, asked: Asked) -> str:
        """In words, for captions."""
        city = self.cities[self.place] if self.place else asked.words("all_cities")
        return f"{city}, {self.operator}" if self.operator else city


def narrowed(asked: Asked, rows: Rows, period: Period) -> Narrowed:
    """The city and operator that are asked for, of those that there are or were in the period."""
    found = rows("dashboard/places", feed=asked.feed.name, **period.dates())
    cities = {row["place"]: row["city"] for row in found}
    found = rows("dashboard/operators", feed=asked.feed.name, **period.dates())
    operators = [row["operator_name"] for row in found]
    return Narrowed(
        asked.one_of("place", list(cities)), asked.one_of("operator", operators), cities, operators
    )


def choices(asked: Asked, chosen: Narrowed | None, period: Period) -> list[Choice]:
    """The form's fields."""
    words = asked.words
    fields = []
    if chosen is not None:
        cities = [("", words("all_cities")), *chosen.cities.items()]
        operators = [("", words("all_operators")), *((name, name) for name in chosen.operators)]
        fields = [
            Choice("place", words("city_name"), chosen.place, options=cities),
            Choice("operator", words("operator"), chosen.operator, options=operators),
        ]
    return [*fields, *dates(asked, period)]


def dates(asked: Asked, period: Period) -> list[Choice]:
    words = asked.words
    low = words.local(asked.feed.first_at)
    high = words.local(asked.feed.newest_at)
    ends: dict[str, Any] = {"low": f"{low:%Y-%m-%d}", "high": f"{high:%Y-%m-%d}"}
    return [
        Choice("from", words("from"), f"{period.first:%Y-%m-%d}", kind="date", **ends),
        Choice("to", words("to"), f"{period.last:%Y-%m-%d}", kind="date", **ends),
    ]


def coverage_text(asked: Asked, period: Period, share: float | None, observed_days: int) -> str:
    """Coverage, and how many of the period's days have data."""
    words, days = asked.words, period.begun_day_count(asked)
    return words.counting(
        "coverage_told",
        days,
        share=words.percent(share),
        days=words.number(observed_days),
        all=words.number(days),
    )

"""The filters of most pages (city, operator, days): form fields and query parameters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from charging_assets.dashboard.blocks import FormField
from charging_assets.dashboard.reader import Query
from charging_assets.dashboard.request import DAYS, PageRequest, utc

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """Local days `first` to `last`, both included, which are UTC `[start, end)`."""

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

    def date_params(self) -> dict[str, datetime]:
        return {"from_date": self.first, "to_date": self.last}

    def window_params(self) -> dict[str, datetime]:
        return {"window_start": self.start, "window_end": self.end}

    def scope_params(self, request: PageRequest) -> dict[str, datetime]:
        """Days, instants and `now_at`: time after the newest poll does not count as missing."""
        return {**self.date_params(), **self.window_params(), "now_at": request.feed.observed_until}

    def started_day_count(self, request: PageRequest) -> int:
        """The number of days up to the newest poll; all days if the poll is before the first."""
        newest = request.words.local(request.feed.newest_at)
        days = (min(self.last, newest) - self.first).days + 1
        return days if days > 0 else self.day_count


def select_period(
    request: PageRequest,
    default: int = DAYS,
    first_at: datetime | None = None,
    *,
    whole: bool = True,
) -> Period:
    """The period of a request; `PageRequest.days` defines the default."""
    first, last = request.days(default, first_at, whole=whole)
    zone = request.feed.time_zone
    return Period(first, last, utc(first, zone), utc(last + _ONE_DAY, zone))


def find_first_seen(
    request: PageRequest, query: Query, place: str = "", operator: str = "", station_key: int = 0
) -> datetime | None:
    """The first slot with a station of a city or an operator, or with one station; naive UTC."""
    (row,) = query(
        "dashboard/first_seen",
        feed=request.feed.name,
        place=place,
        operator_name=operator,
        station_key=station_key,
    )
    first_at: datetime | None = row["first_at"]
    return first_at


@dataclass(frozen=True)
class Filters:
    """The selected city and operator, empty for all; and those that can be selected."""

    place: str
    operator: str
    cities: dict[str, str]
    operators: list[str]

    def query_params(self, request: PageRequest) -> dict[str, Any]:
        return {
            "feed": request.feed.name,
            "place": self.place,
            "operator_name": self.operator,
        }

    def describe(self, request: PageRequest) -> str:
        """The selection as a text for captions."""
        city = self.cities[self.place] if self.place else request.words("all_cities")
        return f"{city}, {self.operator}" if self.operator else city


def select_filters(request: PageRequest, query: Query, period: Period) -> Filters:
    """The requested city and operator, of those with data in the period or current stations."""
    rows = query("dashboard/places", feed=request.feed.name, **period.date_params())
    cities = {row["place"]: row["city"] for row in rows}
    rows = query("dashboard/operators", feed=request.feed.name, **period.date_params())
    operators = [row["operator_name"] for row in rows]
    return Filters(
        request.choice_value("place", list(cities)),
        request.choice_value("operator", operators),
        cities,
        operators,
    )


def form_fields(request: PageRequest, chosen: Filters | None, period: Period) -> list[FormField]:
    """The fields of the form; without filters, only the dates."""
    words = request.words
    fields = []
    if chosen is not None:
        cities = [("", words("all_cities")), *chosen.cities.items()]
        operators = [("", words("all_operators")), *((name, name) for name in chosen.operators)]
        fields = [
            FormField("place", words("city_name"), chosen.place, options=cities),
            FormField("operator", words("operator"), chosen.operator, options=operators),
        ]
    return [*fields, *date_fields(request, period)]


def date_fields(request: PageRequest, period: Period) -> list[FormField]:
    words = request.words
    low = words.local(request.feed.first_at)
    high = words.local(request.feed.newest_at)
    ends: dict[str, Any] = {"low": f"{low:%Y-%m-%d}", "high": f"{high:%Y-%m-%d}"}
    return [
        FormField("from", words("from"), f"{period.first:%Y-%m-%d}", kind="date", **ends),
        FormField("to", words("to"), f"{period.last:%Y-%m-%d}", kind="date", **ends),
    ]


def coverage_text(
    request: PageRequest, period: Period, share: float | None, observed_days: int
) -> str:
    """Coverage, and the number of days with data."""
    words, days = request.words, period.started_day_count(request)
    return words.plural(
        "coverage_detail",
        days,
        share=words.percent(share),
        days=words.number(observed_days),
        all=words.number(days),
    )

"""The request for a page, parsed from its URL.

A parameter that cannot be parsed is replaced by its default and reported on the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode

from charging_assets.dashboard.wording import LANGUAGES, Wording
from charging_assets.hours import to_naive_utc
from charging_assets.measures import has_enough_coverage

DAYS, MOST_DAYS = 30, 366
# Times outside these years overflow when a window around them is computed.
_FIRST_YEAR, _END_YEAR = 2000, 2200
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Feed:
    """A feed with loaded data; times are naive UTC."""

    name: str
    time_zone: str
    cadence_s: int
    first_at: datetime
    newest_at: datetime

    @property
    def cadence(self) -> timedelta:
        return timedelta(seconds=self.cadence_s)

    @property
    def observed_until(self) -> datetime:
        """The end of the newest good poll. Time after it does not count as missing."""
        return self.newest_at + self.cadence


@dataclass
class PageRequest:
    """A parsed URL: path, query, language and feed, and the faults found in the query.

    `draws` is false where no charts are needed, as for CSV.
    """

    path: str
    query: Mapping[str, str]
    language: str
    feeds: list[str]
    feed: Feed
    now: datetime
    draws: bool = True
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.words = Wording(self.language, self.feed.time_zone)

    def change_feed(self, feed: Feed) -> None:
        """Use another feed, in the page and in its links."""
        self.feed, self.query = feed, {**self.query, "feed": feed.name}
        self.words = Wording(self.language, feed.time_zone)

    def text(self, name: str) -> str:
        return self.query.get(name, "").strip()

    def choice_value(self, name: str, values: list[str], default: str = "") -> str:
        """The value of a parameter if it is one of `values`; else the default, with a fault."""
        text = self.text(name)
        if text and text not in values:
            self.faults.append(self.words("fault_choice", value=text[:40]))
        return text if text in values else default

    def option(self, name: str, value: str) -> bool:
        """Whether a parameter has `value`, the only one it allows besides its default."""
        return self.choice_value(name, [value]) == value

    def key(self, name: str) -> int | None:
        """A parameter as an entity key, a signed 64-bit integer; None if it is not one."""
        text = self.text(name)
        # A key has at most 19 digits, and Python refuses to convert more than 4,300.
        if not re.fullmatch(r"-?[0-9]{1,19}", text):
            return None
        number = int(text)
        return number if -(2**63) <= number < 2**63 else None

    def href(self, path: str = "", **changes: str | None) -> str:
        """A URL with the same language and feed; a parameter that is None is left out.

        Without a path it is the URL of this page, with all parameters of this request.
        """
        inherited = ("lang", "feed") if path else tuple(self.query)
        query = {name: self.query[name] for name in inherited if name in self.query}
        for name, value in changes.items():
            query.pop(name, None)
            if value is not None:
                query[name] = value
        query_string = urlencode(query)
        return f"{path or self.path}{'?' + query_string if query_string else ''}"

    def days(
        self, default: int = DAYS, first_at: datetime | None = None, *, whole: bool = True
    ) -> tuple[datetime, datetime]:
        """The requested local days, both included.

        The default period is the last `default` days up to the newest day. It begins no earlier
        than the first day with data: that of the feed, or of `first_at` (naive UTC) if later.

        With `whole`, the default period ends one day earlier if the incomplete newest day would
        reduce its coverage below the threshold for shares.
        """
        newest = self._day_of(self.feed.newest_at)
        first_data_day = self._day_of(max(self.feed.first_at, first_at or self.feed.first_at))
        first, last = self._date("from"), self._date("to")
        is_default = first is None and last is None
        last = last or (newest if first is None else max(newest, first))
        if first is None:
            first = last - timedelta(days=default - 1)
            if first_data_day <= last:
                first = max(first, first_data_day)
        if is_default and whole and first < last and not self._is_covered(first):
            last -= _ONE_DAY
        if first > last:
            self._add_fault("fault_order")
            first, last = last, first
        if last - first >= timedelta(days=MOST_DAYS):
            self._add_fault("fault_long", days=MOST_DAYS)
            first = last - timedelta(days=MOST_DAYS - 1)
        return first, last

    def _is_covered(self, first: datetime) -> bool:
        """Whether the days from `first` to the newest have enough coverage if none is missed."""
        newest = self._day_of(self.feed.newest_at)
        zone = self.feed.time_zone
        start, end = utc(first, zone), utc(newest + _ONE_DAY, zone)
        observed = self.feed.newest_at + self.feed.cadence - start
        return has_enough_coverage(observed.total_seconds(), (end - start).total_seconds())

    def _day_of(self, instant: datetime) -> datetime:
        local = self.words.local(instant)
        return datetime(local.year, local.month, local.day)

    def instant(self) -> datetime:
        """The requested time as naive UTC: parameter `at` in the feed's time zone, or now."""
        text = self.text("at")
        if not text:
            return self.now
        try:
            at = utc(datetime.fromisoformat(text), self.feed.time_zone)
        except (ValueError, OverflowError):
            at = datetime.min
        if _FIRST_YEAR <= at.year < _END_YEAR:
            return at
        self._add_fault("fault_time", value=text[:40])
        return self.now

    def _add_fault(self, name: str, **values: object) -> None:
        """Record a fault of the request, once even if a parameter is read several times."""
        fault = self.words(name, **values)
        if fault not in self.faults:
            self.faults.append(fault)

    def _date(self, name: str) -> datetime | None:
        text = self.text(name)
        if not text:
            return None
        try:
            day = datetime.strptime(text, "%Y-%m-%d")
        except ValueError:
            self._add_fault("fault_date", value=text[:40])
            return None
        if not _FIRST_YEAR <= day.year < _END_YEAR:
            self._add_fault("fault_date", value=text[:40])
            return None
        return day


def utc(local: datetime, time_zone: str) -> datetime:
    """A local time of a feed as naive UTC. A time with a UTC offset keeps it."""
    from zoneinfo import ZoneInfo

    return to_naive_utc(local if local.tzinfo else local.replace(tzinfo=ZoneInfo(time_zone)))


def select_language(query: Mapping[str, str], accepted: str) -> str:
    """The requested language, or the first supported one that the browser accepts, or English."""
    if query.get("lang") in LANGUAGES:
        return query["lang"]
    for part in accepted.split(","):
        code = part.split(";")[0].strip()[:2].lower()
        if code in LANGUAGES:
            return code
    return "en"

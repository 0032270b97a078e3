"""What a reader asks for: the address, understood.

Belongs here: reading the query string. What cannot be understood is told, never an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode

from charging_assets.dashboard.wording import LANGUAGES, Wording
from charging_assets.measures import has_enough_coverage
from charging_assets.partitions import naive

DAYS, MOST_DAYS = 30, 366
# Times outside of these years overflow as soon as a window is put around them.
_FIRST_YEAR, _END_YEAR = 2000, 2200
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Feed:
    """A feed that there is data of; times are naive UTC."""

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
        """The end of the newest good poll: what lies after it is not missing."""
        return self.newest_at + self.cadence


@dataclass
class PageRequest:
    """An address: the page, its query, the language, the feed, and what was wrong with it."""

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
        """Use another feed, also in the links of the page."""
        self.feed, self.query = feed, {**self.query, "feed": feed.name}
        self.words = Wording(self.language, feed.time_zone)

    def text(self, name: str) -> str:
        return self.query.get(name, "").strip()

    def choice_value(self, name: str, values: list[str], default: str = "") -> str:
        """The value of a name where it is one that there is; else the default, and a fault."""
        text = self.text(name)
        if text and text not in values:
            self.faults.append(self.words("fault_choice", value=text[:40]))
        return text if text in values else default

    def option(self, name: str, value: str) -> bool:
        """Whether an option is set, which has one value besides its default."""
        return self.choice_value(name, [value]) == value

    def key(self, name: str) -> int | None:
        """The value of a name as an entity's key, a signed 64-bit integer; None if it is none."""
        text = self.text(name)
        # More digits than a key has are not worth a conversion, which Python refuses beyond 4,300.
        if not re.fullmatch(r"-?[0-9]{1,19}", text):
            return None
        number = int(text)
        return number if -(2**63) <= number < 2**63 else None

    def href(self, path: str = "", **changes: str | None) -> str:
        """An address with the same feed and language; None leaves a name out.

        Without a path it is this page's own, and keeps all that was asked.
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
        """The local days of the address, both included; for a day left out, one with data.

        The default is the last `default` days, but none before the first with data, which is that
        of the feed or of `first_at` (naive UTC), whichever is later. It ends with the newest day;
        with `whole`, where there are so few days that the newest one, hardly begun, would take
        coverage below what a share needs, it ends with the day before.
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
        """Whether the days from `first` to the newest have enough coverage, no poll missing."""
        newest = self._day_of(self.feed.newest_at)
        zone = self.feed.time_zone
        start, end = utc(first, zone), utc(newest + _ONE_DAY, zone)
        observed = self.feed.newest_at + self.feed.cadence - start
        return has_enough_coverage(observed.total_seconds(), (end - start).total_seconds())

    def _day_of(self, instant: datetime) -> datetime:
        local = self.words.local(instant)
        return datetime(local.year, local.month, local.day)

    def instant(self) -> datetime:
        """The instant that is looked at, naive UTC: `at` by the feed's clock, or now."""
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
        """What was wrong with the address, once, however often it is read."""
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
    """A time by a feed's clock as naive UTC; one that is told with an offset keeps to it."""
    from zoneinfo import ZoneInfo

    return naive(local if local.tzinfo else local.replace(tzinfo=ZoneInfo(time_zone)))


def select_language(query: Mapping[str, str], accepted: str) -> str:
    """The language asked for, or the first that the browser accepts and there is, or English."""
    if query.get("lang") in LANGUAGES:
        return query["lang"]
    for part in accepted.split(","):
        code = part.split(";")[0].strip()[:2].lower()
        if code in LANGUAGES:
            return code
    return "en"

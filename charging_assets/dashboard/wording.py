"""Texts, numbers and times in English and German. The texts are in `words.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

LANGUAGES = {"en": "English", "de": "Deutsch"}
NO_VALUE = "–"
_MONTHS_EN = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@cache
def all_texts() -> Mapping[str, Mapping[str, str]]:
    """Every text, by name and language."""
    text = (Path(__file__).parent / "words.toml").read_text(encoding="utf-8")
    texts: dict[str, dict[str, str]] = tomllib.loads(text)
    return texts


def _keep_percent_sign(text: str) -> str:
    """The text with non-breaking spaces before %."""
    return text.replace(" %", "\u00a0%")


@dataclass(frozen=True)
class Wording:
    """Formats texts, numbers and times in a language and a feed's time zone."""

    language: str
    time_zone: str = "UTC"

    def __call__(self, name: str, **values: object) -> str:
        """The text of a name with values inserted; KeyError if there is none."""
        return _keep_percent_sign(all_texts()[name][self.language].format(**values))

    def plural(self, name: str, count: int, /, **values: object) -> str:
        """The text of a name for a count: `<name>_one` where the count is one."""
        return self(f"{name}_one" if count == 1 else name, **values)

    def number(self, value: float | None, digits: int = 0) -> str:
        if value is None:
            return NO_VALUE
        formatted = f"{value:,.{digits}f}"
        return (
            formatted if self.language == "en" else formatted.translate(str.maketrans(",.", ".,"))
        )

    def percent(self, share: float | None, digits: int = 1) -> str:
        return (
            NO_VALUE
            if share is None
            else _keep_percent_sign(f"{self.number(100 * share, digits)} %")
        )

    def duration(self, seconds: float | None) -> str:
        """Hours and minutes such as `1:05 h`; minutes below an hour."""
        if seconds is None:
            return NO_VALUE
        minutes = round(seconds / 60)
        return f"{minutes} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02} h"

    def local(self, at: datetime) -> datetime:
        """A naive UTC time as local time of the feed."""
        return at.replace(tzinfo=UTC).astimezone(ZoneInfo(self.time_zone)).replace(tzinfo=None)

    def date(self, day: datetime | None) -> str:
        """A local day."""
        if day is None:
            return NO_VALUE
        if self.language == "en":
            return f"{day.day} {_MONTHS_EN[day.month - 1]} {day.year}"
        return day.strftime("%d.%m.%Y")

    def time(self, at: datetime | None) -> str:
        """A naive UTC time as local day and time of the feed."""
        if at is None:
            return NO_VALUE
        local = self.local(at)
        return f"{self.date(local)}, {local:%H:%M}"

    def age(self, since: datetime, now: datetime) -> str:
        """The time since an instant, in minutes, hours or days."""
        elapsed = max(now - since, timedelta())
        if elapsed < timedelta(minutes=120):
            return self("ago_min", count=int(elapsed.total_seconds() // 60))
        if elapsed < timedelta(hours=48):
            return self("ago_h", count=int(elapsed.total_seconds() // 3600))
        return self("ago_days", count=elapsed.days)

    def days(self, first: datetime, last: datetime) -> str:
        """A period of local days, both included. The dash does not start a line."""
        return self.date(first) if first == last else f"{self.date(first)}\u00a0– {self.date(last)}"

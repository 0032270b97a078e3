"""Simulated time in whole seconds since the simulator's epoch, and conversions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from charging_assets.hours import FIRST_HOUR

# A year before the first valid hour, so that earlier events can be represented.
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
MINUTE, HOUR, DAY = 60, 3600, 86400
YEAR = 365 * DAY
# Later than any event: the time of events that do not happen.
FAR = 1 << 35


def seconds(instant: datetime) -> int:
    """Whole seconds since the epoch; ValueError for naive times and those before 2021."""
    if instant.tzinfo is None:
        raise ValueError(f"the simulator needs an aware time, not {instant!r}")
    if instant < FIRST_HOUR:
        raise ValueError(
            f"the simulated network begins at {FIRST_HOUR.isoformat()}, not {instant.isoformat()}"
        )
    return (instant - EPOCH) // timedelta(seconds=1)


def instant(second: int) -> datetime:
    """The UTC time of a second since the epoch."""
    return EPOCH + timedelta(seconds=int(second))


def year_start(year: int) -> int:
    """The second at which a UTC year begins."""
    return (datetime(year, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(seconds=1)


def year_of(second: int) -> int:
    """The UTC year of a second."""
    return instant(second).year

"""`status --max-age`: checks that every feed had a good poll recently.

Reads only the archive, so that it also works when Dagster and the warehouse are down.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from charging_assets import clock
from charging_assets.cli import show
from charging_assets.text import count_noun

if TYPE_CHECKING:
    from charging_assets.deployments import Storage
    from charging_assets.lake.store import Lake
    from charging_assets.sources.feeds import Feed

# Exit code for "critical" in Nagios-compatible monitoring.
CRITICAL = 2


@dataclass(frozen=True)
class FeedAge:
    """Slots of a feed's last poll and of its last poll with a good answer; None if never.

    Only the newest polls are read: `last_good_slot_at` is also None if none of these is good.
    """

    feed: str
    last_slot_at: datetime | None
    last_good_slot_at: datetime | None

    def is_older(self, allowed: timedelta, now: datetime) -> bool:
        return self.last_good_slot_at is None or now - self.last_good_slot_at > allowed

    def describe(self, now: datetime) -> str:
        if self.last_slot_at is None:
            return f"{self.feed} was never polled"
        polled = f"{self.feed} was last polled {_ago(self.last_slot_at, now)}"
        if self.last_good_slot_at == self.last_slot_at:
            return polled
        if self.last_good_slot_at is None:
            return f"{polled}, but none of its newest polls has a good answer"
        return f"{polled}, but had its last good answer {_ago(self.last_good_slot_at, now)}"


def run(arguments: argparse.Namespace) -> int:
    """Print one line; 0 if every enabled feed has a good poll within the age, else CRITICAL."""
    from charging_assets import deployments
    from charging_assets.sources.feeds import load_feeds

    storage, now = deployments.storage(), clock.utc_now()
    allowed: timedelta = arguments.max_age
    ages = [_age(storage.lake, feed, now) for feed in load_feeds().values() if feed.enabled]
    late = [age for age in ages if age.is_older(allowed, now)]
    is_good = bool(ages) and not late
    waiting = _spooled_count(storage)
    if arguments.json:
        show.print_json(_as_json(ages, is_good, waiting))
    else:
        summary = "; ".join(age.describe(now) for age in late or ages) or "no feed is enabled"
        spooled = f"; {count_noun(waiting, 'poll')} in the spool" if waiting else ""
        allowed_min = allowed / timedelta(minutes=1)
        limit = "" if is_good else f", the limit is {allowed_min:g} min"
        print(f"{'OK' if is_good else 'CRITICAL'}: {summary}{limit}{spooled}")
    return 0 if is_good else CRITICAL


def _age(lake: Lake, feed: Feed, now: datetime) -> FeedAge:
    from charging_assets.archive.recent_polls import recent_polls

    polls = recent_polls(lake, feed.name, now + feed.cadence)
    return FeedAge(feed.name, polls.newest_at, polls.good_at)


def _ago(instant: datetime, now: datetime) -> str:
    return f"{show.age(instant, now)} ({instant:%Y-%m-%d %H:%M} UTC)"


def _spooled_count(storage: Storage) -> int:
    return len(storage.spool.waiting()) if storage.spool else 0


def _as_json(ages: list[FeedAge], is_good: bool, waiting: int) -> dict[str, Any]:
    return {
        "ok": is_good,
        "feeds": [
            {
                "feed": age.feed,
                "last_slot_at": age.last_slot_at,
                "last_good_slot_at": age.last_good_slot_at,
            }
            for age in ages
        ],
        "spooled": waiting,
    }

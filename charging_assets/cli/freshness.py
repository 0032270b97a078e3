"""Freshness: whether every feed was polled lately, by the archive alone.

Belongs here: the outside check, `status --max-age`, which needs neither Dagster nor a warehouse,
and so turns red when both are dead. Does not belong here: the rest of `status`.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from charging_assets import clock
from charging_assets.cli import show
from charging_assets.plurals import counted

if TYPE_CHECKING:
    from charging_assets.deployments import Storage
    from charging_assets.storage.lake import Lake

# What monitoring systems of Nagios' kind take for "critical".
CRITICAL = 2


@dataclass(frozen=True)
class FeedAge:
    """When a feed was last polled, by the slot; None if never."""

    feed: str
    last_slot_at: datetime | None

    def is_older(self, allowed: timedelta, now: datetime) -> bool:
        return self.last_slot_at is None or now - self.last_slot_at > allowed

    def told(self, now: datetime) -> str:
        if self.last_slot_at is None:
            return f"{self.feed} was never polled"
        when = f"{self.last_slot_at:%Y-%m-%d %H:%M} UTC"
        return f"{self.feed} was last polled {show.age(self.last_slot_at, now)} ({when})"


def run(arguments: argparse.Namespace) -> int:
    """Tell in a line; 0 if every enabled feed was polled within the age, else CRITICAL."""
    from charging_assets import deployments
    from charging_assets.acquisition.feeds import load_feeds

    storage, now = deployments.storage(), clock.utc_now()
    allowed: timedelta = arguments.max_age
    ages = [_age(storage.lake, feed.name) for feed in load_feeds().values() if feed.enabled]
    late = [age for age in ages if age.is_older(allowed, now)]
    is_good = bool(ages) and not late
    waiting = _waiting(storage)
    if arguments.json:
        show.print_json(_as_json(ages, is_good, waiting))
    else:
        told = "; ".join(age.told(now) for age in late or ages) or "no feed is enabled"
        spooled = f"; {counted(waiting, 'poll')} wait in the spool" if waiting else ""
        allowed_min = allowed / timedelta(minutes=1)
        limit = "" if is_good else f", allowed are {allowed_min:g} min"
        print(f"{'OK' if is_good else 'CRITICAL'}: {told}{limit}{spooled}")
    return 0 if is_good else CRITICAL


def _age(lake: Lake, feed: str) -> FeedAge:
    from charging_assets.acquisition.archive import slots_archived
    from charging_assets.acquisition.raw_objects import RAW

    days = lake.folders(f"{RAW}feed={feed}/")
    for name in reversed(days):
        if slots := slots_archived(lake, feed, _day(name)):
            return FeedAge(feed, max(slots))
    return FeedAge(feed, None)


def _day(folder: str) -> date:
    return date.fromisoformat(folder.removeprefix("date="))


def _waiting(storage: Storage) -> int:
    return len(storage.spool.waiting()) if storage.spool else 0


def _as_json(ages: list[FeedAge], is_good: bool, waiting: int) -> dict[str, Any]:
    return {
        "ok": is_good,
        "feeds": [{"feed": a.feed, "last_slot_at": a.last_slot_at} for a in ages],
        "spooled": waiting,
    }

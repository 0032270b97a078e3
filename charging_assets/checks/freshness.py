"""Rules about now: whether feeds are still polled and loaded.

They look at the system as a whole, whichever hour a run is about: loading an old hour does not
make anything fresh. The job `check_freshness` evaluates them on a schedule of their own.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from charging_assets.archive.missed_slots import has_missed_slots
from charging_assets.archive.raw_archive import feeds_archived
from charging_assets.archive.recent_polls import (
    RecentPolls,
    is_polled_here,
    newest_slot,
    recent_polls,
)
from charging_assets.checks.rules import Rule, Scene, Severity
from charging_assets.hours import ONE_HOUR, Hour
from charging_assets.sources.feeds import Feed
from charging_assets.warehouse.interface import NoWarehouse
from charging_assets.warehouse.plan import window

# Older hours that are not loaded are the sensor's, and no sign that loading has stopped.
RECENT = timedelta(days=7)
# Loading an hour begins some minutes after its end.
GRACE = timedelta(minutes=20)
# How long a feed may be silent in addition to its cadence, or to an hour if that is longer.
SILENCE = timedelta(minutes=30)


def _unarchived(scene: Scene) -> list[dict[str, Any]]:
    return [row for feed in _feeds(scene) if (row := _overdue(scene, feed))]


def _unloaded(scene: Scene) -> list[dict[str, Any]]:
    due = latest_due(scene.now)
    rows = []
    for feed in _feeds(scene):
        newest = newest_slot(scene.lake, feed, due.end)
        if newest is not None and newest >= due.end - RECENT:
            hour = Hour.of(newest)
            if not _has_polls(scene, feed, hour):
                rows.append(_row(feed, "not loaded", newest, hour))
                continue
        # What is not archived cannot be loaded: readers of the fact have no new rows either.
        if row := _overdue(scene, feed):
            rows.append(row)
    return rows


def _feeds(scene: Scene) -> list[str]:
    """The feeds that are archived, and those that are to be polled."""
    enabled = {name for name, feed in scene.feeds.items() if feed.enabled}
    return sorted(enabled.union(feeds_archived(scene.lake)))


def _overdue(scene: Scene, feed: str) -> dict[str, Any] | None:
    """A row about a feed that is expected to be polled, if no recent poll is good; else None."""
    configured = scene.feeds.get(feed)
    if configured is None or not configured.enabled:
        return None
    polls = recent_polls(scene.lake, feed, scene.now + configured.cadence)
    limit = scene.now - allowed_age(configured)
    # Until the first good answer, silence is counted from the first poll.
    since = polls.good_at or (polls.oldest_read_at if polls.is_all else None)
    if since is not None and since >= limit:
        return None
    if not _is_expected(scene, feed, limit):
        return None
    return _row(
        feed,
        _describe(polls),
        polls.newest_at,
        Hour.of(polls.good_at + configured.cadence) if polls.good_at else None,
    )


def _is_expected(scene: Scene, feed: str, limit: datetime) -> bool:
    """Whether this deployment polls the feed, or was to.

    Where all polls are imported, or none is archived, other enabled feeds count: whatever polls
    them polls each enabled feed. Nobody misses polls where files are only imported.
    """
    if is_polled_here(scene.lake, feed, scene.now + scene.feeds[feed].cadence):
        return True
    if has_missed_slots(scene.lake, feed):
        return True
    return any(
        other.enabled and name != feed and is_polled_here(scene.lake, name, limit)
        for name, other in scene.feeds.items()
    )


def _describe(polls: RecentPolls) -> str:
    if polls.newest_at is None:
        return "enabled, but never polled"
    if polls.good_at is None:
        since = f"since {polls.oldest_read_at:%Y-%m-%dT%H:%MZ}, or longer"
        return f"polled, but no good answer {'at all' if polls.is_all else since}"
    if polls.good_at == polls.newest_at:
        return f"not polled since {polls.good_at:%Y-%m-%dT%H:%MZ}"
    return f"polled, but no good answer since {polls.good_at:%Y-%m-%dT%H:%MZ}"


def _row(feed: str, reason: str, newest: datetime | None, missing: Hour | None) -> dict[str, Any]:
    """Columns of a finding: newest poll of any outcome, first hour without a good poll."""
    return {
        "feed": feed,
        "reason": reason,
        "newest_slot_at": newest.isoformat() if newest else None,
        "missing": missing.key if missing else None,
    }


def allowed_age(feed: Feed) -> timedelta:
    """How old the newest good poll of a feed may be."""
    return max(ONE_HOUR, feed.cadence) + SILENCE


def latest_due(now: datetime) -> Hour:
    """The latest hour that must be loaded by now."""
    return Hour.of(now - GRACE - ONE_HOUR)


def _has_polls(scene: Scene, feed: str, hour: Hour) -> bool:
    try:
        found = scene.warehouse.query(
            "SELECT COUNT(*) AS poll_count FROM warehouse.fact_poll "
            "WHERE slot_at >= :window_start AND slot_at < :window_end AND feed = :feed",
            {**window(hour), "feed": feed},
        )
    except NoWarehouse:
        return False
    return bool(found.column("poll_count")[0].as_py())


RULES = (
    Rule(
        "raw_api_snapshots", "latest_hour_is_archived",
        "Each enabled feed has a poll of the past hour and a half that at least one place answered "
        "(not where files are only imported).",
        "see that the daemon runs and the schedule `poll_feeds` is on; `charging-assets status`; "
        "where polls have no good answer: the outcomes in `flat_polls`, the feed's address and the "
        "network; a feed that is no longer to be polled: `enabled = false` in your feeds file",
        _unarchived, Severity.ERROR,
    ),
    Rule(
        "fact_poll", "latest_hour_is_loaded",
        "The newest past hour of each feed is loaded, and none that is polled lacks new polls.",
        "`charging-assets load` loads what the archive has and the warehouse lacks; if "
        "`raw_api_snapshots__latest_hour_is_archived` fails too, nothing polls",
        _unloaded, Severity.ERROR,
    ),
)  # fmt: skip

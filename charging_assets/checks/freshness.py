"""Rules about freshness: whether feeds are still polled and loaded.

They do not depend on the hour of a run: loading an old hour does not make data fresh. The job
`check_freshness` evaluates them on its own schedule.
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
from charging_assets.checks.rules import CheckContext, Rule, Severity
from charging_assets.hours import ONE_HOUR, Hour
from charging_assets.sources.feeds import Feed
from charging_assets.warehouse.interface import NoWarehouse
from charging_assets.warehouse.plan import window

# Older hours that are not loaded are reconciled by a sensor; they do not mean that loading stopped.
RECENT = timedelta(days=7)
# Loading an hour begins a few minutes after its end.
GRACE = timedelta(minutes=20)
# Allowed time without a good poll, in addition to the cadence of a feed (at least an hour).
SILENCE = timedelta(minutes=30)


def _unarchived(context: CheckContext) -> list[dict[str, Any]]:
    return [row for feed in _feeds(context) if (row := _overdue(context, feed))]


def _unloaded(context: CheckContext) -> list[dict[str, Any]]:
    due = latest_due(context.now)
    rows = []
    for feed in _feeds(context):
        newest = newest_slot(context.lake, feed, due.end)
        if newest is not None and newest >= due.end - RECENT:
            hour = Hour.of(newest)
            if not _has_polls(context, feed, hour):
                rows.append(_row(feed, "not loaded", newest, hour))
                continue
        # An overdue feed has no new rows in the fact either.
        if row := _overdue(context, feed):
            rows.append(row)
    return rows


def _feeds(context: CheckContext) -> list[str]:
    """The archived feeds and the enabled feeds."""
    enabled = {name for name, feed in context.feeds.items() if feed.enabled}
    return sorted(enabled.union(feeds_archived(context.lake)))


def _overdue(context: CheckContext, feed: str) -> dict[str, Any] | None:
    """The row of a feed that should be polled but has no recent good poll; otherwise None."""
    configured = context.feeds.get(feed)
    if configured is None or not configured.enabled:
        return None
    polls = recent_polls(context.lake, feed, context.now + configured.cadence)
    limit = context.now - allowed_age(configured)
    # Without any good response, the age counts from the first poll.
    since = polls.good_at or (polls.oldest_read_at if polls.is_all else None)
    if since is not None and since >= limit:
        return None
    if not _is_expected(context, feed, limit):
        return None
    return _row(
        feed,
        _describe(polls),
        polls.newest_at,
        Hour.of(polls.good_at + configured.cadence) if polls.good_at else None,
    )


def _is_expected(context: CheckContext, feed: str, limit: datetime) -> bool:
    """Whether this deployment polls the feed, or should.

    If the feed has only imported polls, or none, the other enabled feeds decide: a deployment that
    polls one enabled feed polls all. A deployment that only imports files is not expected to poll.
    """
    if is_polled_here(context.lake, feed, context.now + context.feeds[feed].cadence):
        return True
    if has_missed_slots(context.lake, feed):
        return True
    return any(
        other.enabled and name != feed and is_polled_here(context.lake, name, limit)
        for name, other in context.feeds.items()
    )


def _describe(polls: RecentPolls) -> str:
    if polls.newest_at is None:
        return "enabled, but never polled"
    if polls.good_at is None:
        since = f"since {polls.oldest_read_at:%Y-%m-%dT%H:%MZ}, or longer"
        return f"polled, but no good response {'at all' if polls.is_all else since}"
    if polls.good_at == polls.newest_at:
        return f"not polled since {polls.good_at:%Y-%m-%dT%H:%MZ}"
    return f"polled, but no good response since {polls.good_at:%Y-%m-%dT%H:%MZ}"


def _row(feed: str, reason: str, newest: datetime | None, missing: Hour | None) -> dict[str, Any]:
    """A failing row; `newest` is the poll of any outcome, `missing` the hour without a good one."""
    return {
        "feed": feed,
        "reason": reason,
        "newest_slot_at": newest.isoformat() if newest else None,
        "missing": missing.key if missing else None,
    }


def allowed_age(feed: Feed) -> timedelta:
    """The maximum age of the newest good poll of a feed."""
    return max(ONE_HOUR, feed.cadence) + SILENCE


def latest_due(now: datetime) -> Hour:
    """The latest hour that should be loaded by `now`."""
    return Hour.of(now - GRACE - ONE_HOUR)


def _has_polls(context: CheckContext, feed: str, hour: Hour) -> bool:
    try:
        counts = context.warehouse.query(
            "SELECT COUNT(*) AS poll_count FROM warehouse.fact_poll "
            "WHERE slot_at >= :window_start AND slot_at < :window_end AND feed = :feed",
            {**window(hour), "feed": feed},
        )
    except NoWarehouse:
        return False
    return bool(counts.column("poll_count")[0].as_py())


RULES = (
    Rule(
        "raw_api_snapshots", "latest_hour_is_archived",
        "Each enabled feed has a poll in the past 90 minutes with a good response from at least "
        "one place (cadence over an hour: cadence + 30 minutes; not checked if files are only "
        "imported).",
        "run `charging-assets status`; check that the daemon runs and the schedule `poll_feeds` is "
        "on; if polls fail, check the outcomes in `flat_polls`, the URL of the feed and the "
        "network; to stop polling a feed, set `enabled = false` in your feeds file",
        _unarchived, Severity.ERROR,
    ),
    Rule(
        "fact_poll", "latest_hour_is_loaded",
        "The newest past hour of each feed is loaded, and no polled feed is overdue.",
        "if `raw_api_snapshots__latest_hour_is_archived` fails too, fix polling first; otherwise "
        "run `charging-assets load`, which loads the archived hours that are not loaded",
        _unloaded, Severity.ERROR,
    ),
)  # fmt: skip

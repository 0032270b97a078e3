"""Rules about now: whether the latest hour is there.

Belongs here: what is asked of the system as a whole, whichever hour a run is about. Loading an old
hour does not make anything fresh. Does not belong here: completeness of an hour (`volume`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from charging_assets.acquisition.archive import feeds_archived, slots_archived
from charging_assets.acquisition.feeds import SIMULATED
from charging_assets.checks.rules import Rule, Scene, Severity
from charging_assets.partitions import ONE_HOUR, Hour
from charging_assets.storage.lake import Lake
from charging_assets.storage.plan import window
from charging_assets.storage.warehouse import NoWarehouse

# A feed that was not polled for so long is taken for one that is polled no more.
LIVE = timedelta(days=7)
# Loading an hour begins some minutes after its end.
GRACE = timedelta(minutes=20)


def _unarchived(scene: Scene) -> list[dict[str, Any]]:
    due = latest_due(scene.now)
    rows = []
    for feed in feeds_archived(scene.lake):
        newest = newest_slot(scene.lake, feed, scene.now)
        if feed != SIMULATED and newest is not None and newest < due.start:
            rows.append({"feed": feed, "newest_slot_at": newest.isoformat(), "missing": due.key})
    return rows


def _unloaded(scene: Scene) -> list[dict[str, Any]]:
    due = latest_due(scene.now)
    rows = []
    for feed in feeds_archived(scene.lake):
        newest = newest_slot(scene.lake, feed, due.end)
        if newest is None:
            continue
        hour = Hour.of(newest)
        if not _has_polls(scene, feed, hour):
            rows.append({"feed": feed, "newest_slot_at": newest.isoformat(), "missing": hour.key})
    return rows


def latest_due(now: datetime) -> Hour:
    """The latest hour that must be archived and loaded by now."""
    return Hour.of(now - GRACE - ONE_HOUR)


def newest_slot(lake: Lake, feed: str, before: datetime) -> datetime | None:
    """The newest archived slot of a feed before an instant; None if there is none for long."""
    day = before
    while day > before - LIVE - timedelta(days=1):
        slots = [slot for slot in slots_archived(lake, feed, day.date()) if slot < before]
        if slots:
            return max(slots)
        day -= timedelta(days=1)
    return None


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
        "Each feed that was polled in the past week has polls of the latest hour.",
        "see that the daemon runs and the schedule `poll_feeds` is on; `charging-assets status`",
        _unarchived, Severity.ERROR,
    ),
    Rule(
        "fact_poll", "latest_hour_is_loaded",
        "The newest archived hour of each feed is loaded.",
        "`charging-assets load` loads what the archive has and the warehouse lacks",
        _unloaded, Severity.ERROR,
    ),
)  # fmt: skip

"""Rules about now: whether feeds are still polled and loaded.

They look at the system as a whole, whichever hour a run is about: loading an old hour does not
make anything fresh. The job `check_freshness` evaluates them on a schedule of their own.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from charging_assets.acquisition.archive import feeds_archived, read
from charging_assets.acquisition.feeds import Feed
from charging_assets.acquisition.raw_objects import RAW, SUFFIX, slot_of_key
from charging_assets.checks.rules import Rule, Scene, Severity
from charging_assets.partitions import ONE_HOUR, Hour
from charging_assets.storage.lake import Lake
from charging_assets.storage.plan import window
from charging_assets.storage.warehouse import NoWarehouse

# Imported polls older than this were imported once; newer ones may be imported regularly.
LIVE = timedelta(days=7)
# Loading an hour begins some minutes after its end.
GRACE = timedelta(minutes=20)
# How long a feed may be silent in addition to its cadence, or to an hour if that is longer.
SILENCE = timedelta(minutes=30)


def _unarchived(scene: Scene) -> list[dict[str, Any]]:
    return [row for feed in feeds_archived(scene.lake) if (row := _overdue(scene, feed))]


def _unloaded(scene: Scene) -> list[dict[str, Any]]:
    due = latest_due(scene.now)
    rows = []
    for feed in feeds_archived(scene.lake):
        newest = newest_slot(scene.lake, feed, due.end)
        if newest is not None and newest >= due.end - LIVE:
            hour = Hour.of(newest)
            if not _has_polls(scene, feed, hour):
                rows.append(_row(feed, newest, hour))
                continue
        # What is not archived cannot be loaded: readers of the fact have no new rows either.
        if row := _overdue(scene, feed):
            rows.append(row)
    return rows


def _overdue(scene: Scene, feed: str) -> dict[str, Any] | None:
    """The newest poll of a feed that is expected to be polled, if it is too old; else None."""
    configured = scene.feeds.get(feed)
    if configured is None or not configured.enabled:
        return None
    newest = newest_poll(scene.lake, feed, scene.now + configured.cadence)
    if newest is None:
        return None
    slot_at = slot_of_key(newest)
    if scene.now - slot_at <= allowed_age(configured):
        return None
    if scene.now - slot_at > LIVE and _is_imported(scene.lake, newest):
        return None
    return _row(feed, slot_at, Hour.of(slot_at + configured.cadence))


def _row(feed: str, newest: datetime, missing: Hour) -> dict[str, Any]:
    return {"feed": feed, "newest_slot_at": newest.isoformat(), "missing": missing.key}


def allowed_age(feed: Feed) -> timedelta:
    """How old the newest poll of a feed may be."""
    return max(ONE_HOUR, feed.cadence) + SILENCE


def latest_due(now: datetime) -> Hour:
    """The latest hour that must be loaded by now."""
    return Hour.of(now - GRACE - ONE_HOUR)


def newest_slot(lake: Lake, feed: str, before: datetime) -> datetime | None:
    """The newest archived slot of a feed before an instant; None if there is none."""
    newest = newest_poll(lake, feed, before)
    return slot_of_key(newest) if newest else None


def newest_poll(lake: Lake, feed: str, before: datetime) -> str | None:
    """The key of the raw object of a feed's newest poll before an instant; None if there is none.

    A feed whose clock was wrong once has polls of the future; they are not the newest.
    """
    folder, last_day = f"{RAW}feed={feed}/", f"date={before:%Y-%m-%d}"
    for day in sorted(lake.folders(folder), reverse=True):
        if day > last_day:
            continue
        keys = [key for key in lake.keys(f"{folder}{day}/") if key.endswith(SUFFIX)]
        if earlier := [key for key in keys if slot_of_key(key) < before]:
            return max(earlier, key=slot_of_key)
    return None


def _is_imported(lake: Lake, key: str) -> bool:
    answer = next(read(lake, key), None)
    return answer is not None and answer.poll.is_imported


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
        "Each enabled feed that was ever polled has a poll of the past hour and a half.",
        "see that the daemon runs and the schedule `poll_feeds` is on; `charging-assets status`; "
        "a feed that is to be polled no longer: `enabled = false` in your feeds file",
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

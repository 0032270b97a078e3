"""An hour of the archive: found, or polled while it lasts.

Belongs here: the rule that a past hour is never filled with today's data, late polls, missed
slots. Does not belong here: HTTP (`client`, `poll`), the objects' format (`archive`), Dagster.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from charging_assets.acquisition.archive import (
    Place,
    Poll,
    archive,
    digest,
    feeds_archived,
    hour_keys,
    slot_of_key,
)
from charging_assets.acquisition.feeds import Feed
from charging_assets.partitions import Hour, slot_of
from charging_assets.storage.lake import Lake

Poller = Callable[[Feed], tuple[Poll, list[Place]]]


class NoArchivedPolls(Exception):
    """The hour has no raw objects, and it is too late to ask for them."""


@dataclass(frozen=True)
class HourArchive:
    """The raw objects of an hour; `digest` changes when any is added."""

    hour: Hour
    keys: tuple[str, ...]

    @property
    def digest(self) -> str:
        return digest(self.keys)


@dataclass
class PollReport:
    """What one round of polls came to: objects written, places that failed, feeds that failed."""

    written: list[str] = field(default_factory=list)
    degraded: dict[str, dict[str, str]] = field(default_factory=dict)
    failed_feeds: dict[str, str] = field(default_factory=dict)
    late: dict[str, str] = field(default_factory=dict)


def find_hour(lake: Lake, hour: Hour) -> HourArchive:
    """The hour as archived, of all feeds; NoArchivedPolls says how to import them."""
    keys = hour_keys(lake, feeds_archived(lake), hour)
    if not keys:
        raise NoArchivedPolls(
            f"no archived polls for {hour} (UTC). An hour that is over is never filled with "
            "today's answers. If you have them, import them (`charging-assets import PATH`) and "
            "materialize the hour again; if this hour is running now, poll it (the `poll` job)"
        )
    return HourArchive(hour, tuple(keys))


def poll_hour(
    lake: Lake,
    feeds: Mapping[str, Feed],
    hour: Hour,
    *,
    poller: Poller,
    planned_at: datetime | None = None,
) -> PollReport:
    """Poll every enabled feed once and archive what came, each under its own slot.

    Where a slot was planned, only the feeds whose cadence has a slot then are asked.

    A poll that begins outside `hour` is kept under the hour in which it began, and the slot that
    was planned for `hour` is recorded as missed, unless an earlier try polled it. One feed's
    trouble leaves the others alone.
    """
    report = PollReport()
    for feed in feeds.values():
        if not feed.enabled or not _is_due(feed, planned_at):
            continue
        try:
            poll, places = poller(feed)
            key, _ = archive(lake, poll, places)
        except Exception as error:  # a feed's trouble is reported and must not hold the others
            report.failed_feeds[feed.name] = f"{type(error).__name__}: {error}"
            if planned_at is not None:
                slot = slot_of(planned_at, feed.cadence)
                record_missed(lake, feed.name, slot, report.failed_feeds[feed.name])
            continue
        report.written.append(key)
        failures = {place.slug: place.outcome for place in places if place.outcome != "ok"}
        if failures:
            report.degraded[feed.name] = failures
        missed = slot_of(planned_at or hour.start, feed.cadence)
        if poll.slot_at not in hour or (planned_at and poll.slot_at != missed):
            report.late[feed.name] = poll.slot_at.isoformat()
            if not _is_archived(lake, feed.name, missed):
                record_missed(lake, feed.name, missed, f"the poll began at {poll.started_at}")
    return report


def record_missed(lake: Lake, feed: str, slot_at: datetime, reason: str) -> None:
    """Note in the lake that a slot was to be polled and was not; once, however often noted."""
    note = {"feed": feed, "slot_at": slot_at.isoformat(), "reason": reason}
    lake.put_new(_missed_key(feed, slot_at), json.dumps(note).encode())


def record_unpolled(
    lake: Lake, feeds: Mapping[str, Feed], planned_at: datetime, reason: str
) -> None:
    """Note the planned slot of every enabled feed as missed, unless an earlier try polled it."""
    for feed in feeds.values():
        slot = slot_of(planned_at, feed.cadence)
        is_missed = feed.enabled and _is_due(feed, planned_at)
        if is_missed and not _is_archived(lake, feed.name, slot):
            record_missed(lake, feed.name, slot, reason)


def missed_slots(lake: Lake) -> list[dict[str, str]]:
    """The slots noted as missed, in order."""
    return [json.loads(lake.get(key)) for key in lake.keys("missed/")]


def running_hour(now: datetime | None = None) -> Hour:
    """The hour that is running now."""
    return Hour.of(now or datetime.now(UTC))


def names(feeds: Iterable[Feed]) -> str:
    """The feeds' names, for messages."""
    return ", ".join(sorted(feed.name for feed in feeds)) or "none"


def _is_due(feed: Feed, planned_at: datetime | None) -> bool:
    """Whether a slot of the feed begins within the planned minute."""
    if planned_at is None:
        return True
    return planned_at - slot_of(planned_at, feed.cadence) < timedelta(minutes=1)


def _is_archived(lake: Lake, feed: str, slot_at: datetime) -> bool:
    keys = hour_keys(lake, [feed], Hour.of(slot_at))
    return any(slot_of_key(key) == slot_at for key in keys)


def _missed_key(feed: str, slot_at: datetime) -> str:
    slot = slot_at.astimezone(UTC)
    return f"missed/feed={feed}/date={slot:%Y-%m-%d}/{slot:%Y%m%dT%H%M%SZ}.json"

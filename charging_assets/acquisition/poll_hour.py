"""List an archived hour, or poll the current one.

A past hour is never filled with today's data. Polls that cannot be archived are spooled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from queue import SimpleQueue
from threading import Semaphore, Thread

from charging_assets import clock
from charging_assets.acquisition.poll import failed_places
from charging_assets.archive.gaps import accepted_hours, days_with_gaps, is_accepted
from charging_assets.archive.missed_slots import (
    is_archived,
    planned_slots,
    record_missed,
    record_silence,
)
from charging_assets.archive.raw_archive import (
    days_archived,
    digest,
    feed_of,
    feeds_archived,
    hour_keys,
    hours_archived,
    hours_of_days,
    read,
)
from charging_assets.archive.raw_objects import PlaceResponse, Poll, RawObject, encode, slot_of_key
from charging_assets.archive.spool import DrainResult, Spool
from charging_assets.hours import Hour, slot_of
from charging_assets.lake.store import Lake
from charging_assets.schemas.outcomes import is_good
from charging_assets.sources.feeds import Feed

Poller = Callable[[Feed], tuple[Poll, list[PlaceResponse]]]

# Feeds polled in parallel; each requests several places at a time.
MAX_FEEDS_AT_ONCE = 16
# A run begins at most this often; feeds with a shorter cadence are polled several times in it.
RUN_INTERVAL = timedelta(minutes=10)
_CLOCK_STEP_S = 1.0


class NoArchivedPolls(Exception):
    """The hour has no raw objects, and it is too late to poll them."""


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
    """Result of the polls of one run; of a feed that was polled several times, the last of each.

    Objects written, places and feeds that failed, late polls with their slots, feeds that another
    poller had polled, polls spooled and why, what was drained from the spool, notes that could not
    be written.
    """

    written: list[str] = field(default_factory=list)
    degraded: dict[str, dict[str, str]] = field(default_factory=dict)
    failed_feeds: dict[str, str] = field(default_factory=dict)
    late: dict[str, str] = field(default_factory=dict)
    already_polled: list[str] = field(default_factory=list)
    spooled: dict[str, str] = field(default_factory=dict)
    drained: DrainResult = field(default_factory=DrainResult)
    failed_notes: list[str] = field(default_factory=list)

    def add(self, other: PollReport) -> None:
        """Add the report of other feeds."""
        self.written += other.written
        self.degraded |= other.degraded
        self.failed_feeds |= other.failed_feeds
        self.late |= other.late
        new = set(other.already_polled) - set(self.already_polled)
        self.already_polled += [feed for feed in other.already_polled if feed in new]
        self.spooled |= other.spooled
        self.failed_notes += other.failed_notes

    @property
    def outcomes(self) -> dict[str, str]:
        """Result of each feed's poll in a few words, by feed."""
        outcomes = dict.fromkeys(self.already_polled, "already polled in this slot")
        outcomes |= {feed_of(key): "archived" for key in self.written}
        for feed, places in self.degraded.items():
            outcomes[feed] = f"archived; failed: {', '.join(sorted(places))}"
        outcomes |= {feed: f"in the spool: {reason}" for feed, reason in self.spooled.items()}
        outcomes |= {feed: f"failed: {reason}" for feed, reason in self.failed_feeds.items()}
        return dict(sorted(outcomes.items()))


def loadable_hours(lake: Lake, days: Iterable[date] | None = None) -> dict[Hour, list[str]]:
    """The hours that can be loaded, with their raw objects: archived ones, and accepted gaps.

    Of some UTC days, or of all time.
    """
    days = None if days is None else list(days)
    archived = hours_archived(lake) if days is None else hours_of_days(lake, days)
    return dict(sorted({**{hour: [] for hour in accepted_hours(lake, days)}, **archived}.items()))


def loadable_days(lake: Lake) -> list[date]:
    """The UTC days of `loadable_hours`, in order."""
    return sorted({*days_archived(lake), *days_with_gaps(lake)})


def find_hour(lake: Lake, hour: Hour) -> HourArchive:
    """The archived hour, of all feeds. An hour that was accepted as lost is empty.

    Raises:
        NoArchivedPolls: there are none; the message states how to import them.
    """
    keys = hour_keys(lake, feeds_archived(lake), hour)
    if not keys and not is_accepted(lake, hour):
        raise NoArchivedPolls(
            f"no archived polls for {hour} (UTC). A past hour is never filled with "
            "today's answers. If you have them, import them (`charging-assets import PATH`) and "
            "materialize the hour again; if this is the current hour, poll it (the `poll` job)"
        )
    return HourArchive(hour, tuple(keys))


def poll_hour(
    lake: Lake,
    feeds: Mapping[str, Feed],
    hour: Hour,
    *,
    poller: Poller,
    planned_at: datetime | None = None,
    window: timedelta = timedelta(0),
    spool: Spool | None = None,
    now: datetime | None = None,
    wait_until: Callable[[datetime], None] | None = None,
) -> PollReport:
    """Poll every enabled feed and archive the answers under the slot in which each poll began.

    Feeds are polled in parallel, a limited number at a time: one that uses up its time does not
    delay others. Feeds that are polled more often than `window` are not limited.

    With `planned_at`, only feeds whose cadence has a slot at that time are polled, without those
    that another poller has just polled. With a `window`, a feed is polled at each of its slots from
    `planned_at` until the window ends, and slots that are over before they can be polled are
    recorded as missed. Without `planned_at`, every feed is polled once, now.

    A poll that begins outside `hour` is archived under the hour in which it began, and the slot
    that was planned for `hour` is recorded as missed, unless an earlier attempt polled it. A poll
    that cannot be archived is spooled. A feed that fails does not affect others.
    """
    slots = {
        feed.name: [None] if planned_at is None else planned_slots(feed, planned_at, window)
        for feed in feeds.values()
        if feed.enabled
    }
    due = [feed for feed in feeds.values() if slots.get(feed.name)]
    wait = wait_until or partial(_sleep_until, longest_s=window.total_seconds())
    at_once = Semaphore(MAX_FEEDS_AT_ONCE)

    def poll_slot(feed: Feed, slot: datetime | None) -> PollReport:
        report = PollReport()
        if slot and _is_polled(lake, feed, slot_of(now or clock.utc_now(), feed.cadence)):
            report.already_polled.append(feed.name)
        else:
            _poll_feed(lake, feed, hour, poller, slot, spool, report)
        return report

    def poll_feed(feed: Feed) -> PollReport:
        report, last, has_polled = PollReport(), slots[feed.name][-1], False
        for slot in slots[feed.name]:
            if slot and window:
                wait(slot)
                begins_at = now or clock.utc_now()
                # A run that begins after its last slot still polls once, as a late poll.
                is_late_poll = slot == last and not has_polled
                if begins_at >= slot + feed.cadence and not is_late_poll:
                    reason = f"the run could not poll before {begins_at.isoformat()}"
                    _try_note(report, partial(_record_late, lake, feed.name, slot, reason))
                    continue
            with nullcontext() if feed.cadence < window else at_once:
                report.add(poll_slot(feed, slot))
                has_polled = True
        return report

    report = PollReport()
    for report_of_feed in _in_parallel(due, poll_feed):
        report.add(report_of_feed)
    if spool is not None and not report.spooled:
        report.drained = spool.drain(lake)
    return report


def _in_parallel(
    feeds: Sequence[Feed], poll_feed: Callable[[Feed], PollReport]
) -> list[PollReport]:
    """Poll each feed in its own thread; return their reports in the order of the feeds.

    Threads are daemons: one that hangs must not keep an interrupted program from ending.
    """
    if len(feeds) < 2:
        return [poll_feed(feed) for feed in feeds]
    reports: SimpleQueue[tuple[int, PollReport]] = SimpleQueue()

    def work(number: int, feed: Feed) -> None:
        try:
            report = poll_feed(feed)
        except Exception as error:  # any error: the reports of other feeds are still needed
            report = PollReport(failed_feeds={feed.name: f"{type(error).__name__}: {error}"})
        reports.put((number, report))

    for number, feed in enumerate(feeds):
        Thread(target=work, args=(number, feed), name=f"poll {feed.name}", daemon=True).start()
    by_number = dict(reports.get() for _ in feeds)
    return [by_number[number] for number in range(len(feeds))]


def _sleep_until(instant: datetime, longest_s: float) -> None:
    """Sleep until an instant of the clock, which may be set meanwhile."""
    end = time.monotonic() + longest_s
    while (left_s := (instant - clock.utc_now()).total_seconds()) > 0:
        if time.monotonic() >= end:
            return
        time.sleep(min(left_s, _CLOCK_STEP_S))


def _poll_feed(
    lake: Lake,
    feed: Feed,
    hour: Hour,
    poller: Poller,
    planned_at: datetime | None,
    spool: Spool | None,
    report: PollReport,
) -> None:
    missed = slot_of(planned_at or hour.start, feed.cadence)
    try:
        poll, places = poller(feed)
        raw_object = encode(poll, places)
        is_archived_now = _archive_or_spool(lake, raw_object, spool, feed, report)
    except Exception as error:  # any error: it is reported, and other feeds are polled
        why = report.failed_feeds[feed.name] = f"{type(error).__name__}: {error}"
        if planned_at is not None:
            _try_note(report, lambda: record_missed(lake, feed.name, missed, why))
        return
    failures = dict(failed_places(places))
    if failures:
        report.degraded[feed.name] = failures
    if poll.slot_at not in hour or (planned_at and poll.slot_at != missed):
        report.late[feed.name] = poll.slot_at.isoformat()
        reason = f"the poll began at {poll.started_at}"
        _try_note(report, lambda: _record_late(lake, feed.name, missed, reason))
    if is_archived_now:
        waiting = spool.waiting() if spool else []
        _try_note(report, lambda: record_silence(lake, feed, poll.slot_at, spooled=waiting))


def _archive_or_spool(
    lake: Lake, raw_object: RawObject, spool: Spool | None, feed: Feed, report: PollReport
) -> bool:
    """Archive a poll, or spool it if the lake fails; return whether it is archived."""
    try:
        lake.put_new(raw_object.key, raw_object.blob)
    except Exception as error:  # any error: the answers cannot be requested again
        if spool is None:
            raise
        spool.keep(raw_object)
        report.spooled[feed.name] = f"{type(error).__name__}: {error}"
        return False
    report.written.append(raw_object.key)
    return True


def _record_late(lake: Lake, feed: str, slot_at: datetime, reason: str) -> None:
    if not is_archived(lake, feed, slot_at):
        record_missed(lake, feed, slot_at, reason)


def _try_note(report: PollReport, note: Callable[[], object]) -> None:
    """Write a note. A failure must not fail the poll; the next poll writes it."""
    try:
        note()
    except Exception as error:
        report.failed_notes.append(f"{type(error).__name__}: {error}")


def _is_polled(lake: Lake, feed: Feed, slot_at: datetime) -> bool:
    """Whether a complete poll of the slot is archived, to which another could add nothing."""
    try:
        keys = hour_keys(lake, [feed.name], Hour.of(slot_at))
        slot_keys = [key for key in keys if slot_of_key(key) == slot_at]
        return any(
            all(is_good(answer.place.outcome) for answer in read(lake, key)) for key in slot_keys
        )
    except Exception:
        # Polling twice is harmless: readers take the earliest good answer.
        return False


def current_hour(now: datetime | None = None) -> Hour:
    """The current hour."""
    return Hour.of(now or clock.utc_now())


def names(feeds: Iterable[Feed]) -> str:
    """The feeds' names, for messages."""
    return ", ".join(sorted(feed.name for feed in feeds)) or "none"

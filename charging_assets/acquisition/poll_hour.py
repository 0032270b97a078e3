"""An hour of the archive: found, or polled while it lasts.

Belongs here: the rule that a past hour is never filled with today's data, late polls, polls that
cannot be archived. Does not belong here: HTTP (`client`, `poll`), the objects' format (`archive`),
notes about what was not polled (`missed`, `gaps`), Dagster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from queue import Empty, SimpleQueue
from threading import Thread

from charging_assets import clock
from charging_assets.archive.gaps import accepted_hours, days_with_gaps, is_accepted
from charging_assets.archive.missed_slots import (
    is_archived,
    is_due,
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
from charging_assets.sources.feeds import Feed

Poller = Callable[[Feed], tuple[Poll, list[PlaceResponse]]]

# So many feeds are polled side by side; each asks several places at a time.
MAX_FEEDS_AT_ONCE = 16


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
    """What one round of polls came to.

    Objects written, places and feeds that failed, late polls with their slots, feeds that another
    poller had asked, polls spooled and why, what was drained from the spool, notes not written.
    """

    written: list[str] = field(default_factory=list)
    degraded: dict[str, dict[str, str]] = field(default_factory=dict)
    failed_feeds: dict[str, str] = field(default_factory=dict)
    late: dict[str, str] = field(default_factory=dict)
    known: list[str] = field(default_factory=list)
    spooled: dict[str, str] = field(default_factory=dict)
    drained: DrainResult = field(default_factory=DrainResult)
    unnoted: list[str] = field(default_factory=list)

    def add(self, other: PollReport) -> None:
        """Add what came of polling other feeds."""
        self.written += other.written
        self.degraded |= other.degraded
        self.failed_feeds |= other.failed_feeds
        self.late |= other.late
        self.known += other.known
        self.spooled |= other.spooled
        self.unnoted += other.unnoted

    @property
    def outcomes(self) -> dict[str, str]:
        """What came of each feed's poll, in a few words, by feed."""
        outcomes = {feed_of(key): "archived" for key in self.written}
        outcomes |= dict.fromkeys(self.known, "already polled in this slot")
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
    """The UTC days of `hours_known`, in order."""
    return sorted({*days_archived(lake), *days_with_gaps(lake)})


def find_hour(lake: Lake, hour: Hour) -> HourArchive:
    """The hour as archived, of all feeds; NoArchivedPolls says how to import them.

    An hour that was accepted as lost is found empty.
    """
    keys = hour_keys(lake, feeds_archived(lake), hour)
    if not keys and not is_accepted(lake, hour):
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
    spool: Spool | None = None,
    now: datetime | None = None,
) -> PollReport:
    """Poll every enabled feed once and archive what came, each under its own slot.

    Feeds are polled side by side, a limited number at a time: one that does not answer until its
    time is over does not make others late.

    Where a slot was planned, only the feeds whose cadence has a slot then are asked, and of these
    none that another poller has just asked.

    A poll that begins outside `hour` is kept under the hour in which it began, and the slot that
    was planned for `hour` is recorded as missed, unless an earlier try polled it. A poll that
    cannot be archived is kept in the spool. One feed's trouble leaves the others alone.
    """
    due = [feed for feed in feeds.values() if feed.enabled and is_due(feed, planned_at)]

    def poll_feed(feed: Feed) -> PollReport:
        report = PollReport()
        if planned_at and _is_polled(lake, feed, slot_of(now or clock.utc_now(), feed.cadence)):
            report.known.append(feed.name)
        else:
            _poll_feed(lake, feed, hour, poller, planned_at, spool, report)
        return report

    report = PollReport()
    for of_feed in _side_by_side(due, poll_feed):
        report.add(of_feed)
    if spool is not None and not report.spooled:
        report.drained = spool.drain(lake)
    return report


def _side_by_side(
    feeds: Sequence[Feed], poll_feed: Callable[[Feed], PollReport]
) -> list[PollReport]:
    """The reports of polling feeds in threads of their own, in the order of the feeds.

    Daemons: a thread that hangs must not keep a program that was interrupted from ending.
    """
    if len(feeds) < 2:
        return [poll_feed(feed) for feed in feeds]
    waiting: SimpleQueue[tuple[int, Feed]] = SimpleQueue()
    reports: SimpleQueue[tuple[int, PollReport]] = SimpleQueue()
    for numbered in enumerate(feeds):
        waiting.put(numbered)

    def work() -> None:
        while True:
            try:
                number, feed = waiting.get_nowait()
            except Empty:
                return
            try:
                report = poll_feed(feed)
            except Exception as error:  # whatever it is, the others' reports are waited for
                report = PollReport(failed_feeds={feed.name: f"{type(error).__name__}: {error}"})
            reports.put((number, report))

    for _ in range(min(len(feeds), MAX_FEEDS_AT_ONCE)):
        Thread(target=work, name="poll feeds", daemon=True).start()
    found = dict(reports.get() for _ in feeds)
    return [found[number] for number in range(len(feeds))]


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
        made = encode(poll, places)
        is_archived_now = _keep(lake, made, spool, feed, report)
    except Exception as error:  # a feed's trouble is reported and must not hold the others
        why = report.failed_feeds[feed.name] = f"{type(error).__name__}: {error}"
        if planned_at is not None:
            _noting(report, lambda: record_missed(lake, feed.name, missed, why))
        return
    failures = {place.slug: place.outcome for place in places if place.outcome != "ok"}
    if failures:
        report.degraded[feed.name] = failures
    if poll.slot_at not in hour or (planned_at and poll.slot_at != missed):
        report.late[feed.name] = poll.slot_at.isoformat()
        reason = f"the poll began at {poll.started_at}"
        _noting(report, lambda: _note_late(lake, feed.name, missed, reason))
    if is_archived_now:
        waiting = spool.waiting() if spool else []
        _noting(report, lambda: record_silence(lake, feed, poll.slot_at, spooled=waiting))


def _keep(lake: Lake, made: RawObject, spool: Spool | None, feed: Feed, report: PollReport) -> bool:
    """Archive a poll, or spool it where the lake refuses; whether it is archived."""
    try:
        lake.put_new(made.key, made.blob)
    except Exception as error:  # what was answered is not to be had again, whatever this is
        if spool is None:
            raise
        spool.keep(made)
        report.spooled[feed.name] = f"{type(error).__name__}: {error}"
        return False
    report.written.append(made.key)
    return True


def _note_late(lake: Lake, feed: str, slot_at: datetime, reason: str) -> None:
    if not is_archived(lake, feed, slot_at):
        record_missed(lake, feed, slot_at, reason)


def _noting(report: PollReport, note: Callable[[], object]) -> None:
    """Make a note; a lake that takes none must not cost the poll. The next poll notes it."""
    try:
        note()
    except Exception as error:
        report.unnoted.append(f"{type(error).__name__}: {error}")


def _is_polled(lake: Lake, feed: Feed, slot_at: datetime) -> bool:
    """Whether a whole poll of the slot is archived: asking again could add nothing."""
    try:
        keys = hour_keys(lake, [feed.name], Hour.of(slot_at))
        own = [key for key in keys if slot_of_key(key) == slot_at]
        return any(all(answer.place.outcome == "ok" for answer in read(lake, key)) for key in own)
    except Exception:
        # Rather ask twice than not at all: readers take the earliest good answer.
        return False


def current_hour(now: datetime | None = None) -> Hour:
    """The hour that is running now."""
    return Hour.of(now or clock.utc_now())


def names(feeds: Iterable[Feed]) -> str:
    """The feeds' names, for messages."""
    return ", ".join(sorted(feed.name for feed in feeds)) or "none"

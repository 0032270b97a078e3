"""One poll: all places of a feed asked side by side, politely, and over when its time is.

Belongs here: who is asked when, and what a poll is called that was not wholly answered. Does not
belong here: how one place is asked (`client`) or how a poll is kept (`archive`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from queue import Empty, SimpleQueue
from threading import Thread

from charging_assets import __version__, clock, sources
from charging_assets.acquisition.http_client import fetch
from charging_assets.acquisition.http_session import Session
from charging_assets.archive.raw_objects import PlaceResponse, Poll
from charging_assets.hours import slot_of
from charging_assets.sources.feeds import Feed

PROGRAM = f"charging_assets {__version__}"
_LOG = logging.getLogger(__name__)
# What a place that is cut off has to report how far it got, before it is written off.
_GRACE_S = 0.5


def poll(
    feed: Feed,
    *,
    now: Callable[[], datetime] = lambda: clock.utc_now(),
    monotonic: Callable[[], float] = time.monotonic,
) -> tuple[Poll, list[PlaceResponse]]:
    """Ask every place of a feed once; the poll's header, and one answer a place by slug.

    The slot is the floor of the time of the first request, however long the poll takes. It ends
    within `poll_budget_s` seconds whatever the server does. A place that fails costs itself
    alone: nothing is raised for it, its outcome says what happened.
    """
    started_at = now()
    asking = _Asking(feed, now, monotonic, end=monotonic() + feed.poll_budget_s)
    places = asking.answers()
    header = Poll(
        feed=feed.name,
        kind=feed.kind,
        slot_at=slot_of(started_at, feed.cadence),
        cadence_s=round(feed.cadence.total_seconds()),
        time_zone=feed.time_zone,
        place_slugs=feed.places,
        started_at=started_at,
        ended_at=now(),
        program=PROGRAM,
    )
    return header, sorted(places, key=lambda place: place.slug)


def degraded(places: Iterable[PlaceResponse]) -> list[tuple[str, str]]:
    """The places that did not answer well, as (slug, outcome), by slug; empty for a good poll."""
    return sorted((place.slug, place.outcome) for place in places if place.outcome != "ok")


@dataclass
class _Asking:
    """A poll under way: no more than `max_workers` places are being asked at any time.

    A thread a place, not a pool: a thread that hangs in a resolver or a connect cannot be
    stopped, but it can be left behind, and another one takes its turn. They are daemons, so that
    one left behind does not keep the program from ending.
    """

    feed: Feed
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    end: float
    _came: SimpleQueue[PlaceResponse] = field(default_factory=SimpleQueue)
    _until: dict[str, float] = field(default_factory=dict)
    _answers: dict[str, PlaceResponse] = field(default_factory=dict)

    def answers(self) -> list[PlaceResponse]:
        """One answer for each place, by `end` at the latest."""
        waiting = list(reversed(self.feed.places))
        with Session(self.feed.user_agent, self.feed.max_workers) as session:
            while self._until or (waiting and self.monotonic() < self._deadline):
                while waiting and self._may_start():
                    self._start(session, waiting.pop())
                self._collect()
                self._write_off()
                if self.monotonic() >= self.end:
                    break
        for slug in self._until:
            self._answers[slug] = PlaceResponse(
                slug=slug, outcome="over_budget", detail="no sign of life"
            )
        for slug in waiting:
            self._answers[slug] = PlaceResponse(
                slug=slug, outcome="over_budget", detail="not asked"
            )
        return list(self._answers.values())

    @property
    def _deadline(self) -> float:
        """When places still being asked are cut off, so that they can report before `end`."""
        return self.end - min(_GRACE_S, self.feed.poll_budget_s / 10)

    def _may_start(self) -> bool:
        return len(self._until) < self.feed.max_workers and self.monotonic() < self._deadline

    def _start(self, session: Session, slug: str) -> None:
        self._until[slug] = self.monotonic() + self.feed.place_timeout_s + _GRACE_S
        thread = Thread(target=self._ask, args=(session, slug), name=f"ask {slug}", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._came.put(
                PlaceResponse(slug=slug, outcome="failed", detail="no more threads to be had")
            )

    def _ask(self, session: Session, slug: str) -> None:
        """In a thread of its own: an answer comes whatever goes wrong."""
        feed = self.feed
        try:
            place = fetch(
                session,
                sources.kind(feed.kind).url(feed.base_url, slug),
                slug=slug,
                place_timeout_s=feed.place_timeout_s,
                max_body_bytes=feed.max_body_bytes,
                attempts=feed.attempts,
                deadline=self._deadline,
                now=self.now,
                monotonic=self.monotonic,
            )
        except Exception as error:
            _LOG.exception("feed %s: asking %s failed", feed.name, slug)
            place = PlaceResponse(slug=slug, outcome="failed", detail=type(error).__name__)
        self._came.put(place)

    def _collect(self) -> None:
        """Wait for an answer, but not beyond the time when a place is to be written off."""
        wait_s = min(self.end, *self._until.values()) - self.monotonic()
        try:
            place = self._came.get(timeout=max(wait_s, 0))
        except Empty:
            return
        # An answer of a place already written off comes too late: its poll has one.
        if self._until.pop(place.slug, None) is not None:
            self._answers[place.slug] = place

    def _write_off(self) -> None:
        for slug in [slug for slug, until in self._until.items() if until <= self.monotonic()]:
            del self._until[slug]
            self._answers[slug] = PlaceResponse(
                slug=slug, outcome="timeout", detail="no sign of life"
            )

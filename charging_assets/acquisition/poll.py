"""One poll: request all places of a feed in parallel, within limits of concurrency and time.

`http_client` requests a single place; `charging_assets.archive` stores the poll.
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
# Time for a request that is cut off to report how far it got.
_GRACE_S = 0.5


def poll(
    feed: Feed,
    *,
    now: Callable[[], datetime] = lambda: clock.utc_now(),
    monotonic: Callable[[], float] = time.monotonic,
) -> tuple[Poll, list[PlaceResponse]]:
    """Request every place of a feed once; return the header and an answer per place, by slug.

    The slot is the floor of the time of the first request, however long the poll takes. It ends
    within `poll_budget_s` seconds whatever the server does. A place that fails does not affect
    others: it raises nothing, its outcome states the failure.
    """
    started_at = now()
    run = _PollRun(feed, now, monotonic, end=monotonic() + feed.poll_budget_s)
    places = run.answers()
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


def failed_places(places: Iterable[PlaceResponse]) -> list[tuple[str, str]]:
    """The places that did not answer well, as (slug, outcome), by slug; empty for a good poll."""
    return sorted((place.slug, place.outcome) for place in places if place.outcome != "ok")


@dataclass
class _PollRun:
    """A poll in progress, with at most `max_workers` requests at any time.

    Each place has a thread of its own instead of a pool's: a thread that hangs in a DNS lookup or a
    connect cannot be stopped, but it can be abandoned and does not block other places. Threads are
    daemons, so that an abandoned one does not keep the program from ending.
    """

    feed: Feed
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    end: float
    _responses: SimpleQueue[PlaceResponse] = field(default_factory=SimpleQueue)
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
                self._time_out()
                if self.monotonic() >= self.end:
                    break
        for slug in self._until:
            self._answers[slug] = PlaceResponse(
                slug=slug, outcome="over_budget", detail="no response"
            )
        for slug in waiting:
            self._answers[slug] = PlaceResponse(
                slug=slug, outcome="over_budget", detail="not requested"
            )
        return list(self._answers.values())

    @property
    def _deadline(self) -> float:
        """When pending requests are cut off, so that they can report before `end`."""
        return self.end - min(_GRACE_S, self.feed.poll_budget_s / 10)

    def _may_start(self) -> bool:
        return len(self._until) < self.feed.max_workers and self.monotonic() < self._deadline

    def _start(self, session: Session, slug: str) -> None:
        self._until[slug] = self.monotonic() + self.feed.place_timeout_s + _GRACE_S
        thread = Thread(
            target=self._request, args=(session, slug), name=f"poll {slug}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            self._responses.put(
                PlaceResponse(slug=slug, outcome="failed", detail="no thread could be started")
            )

    def _request(self, session: Session, slug: str) -> None:
        """Request a place, in its own thread; put a response into the queue even after an error."""
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
            _LOG.exception("feed %s: requesting %s failed", feed.name, slug)
            place = PlaceResponse(slug=slug, outcome="failed", detail=type(error).__name__)
        self._responses.put(place)

    def _collect(self) -> None:
        """Wait for an answer, at most until the next request times out."""
        wait_s = min(self.end, *self._until.values()) - self.monotonic()
        try:
            place = self._responses.get(timeout=max(wait_s, 0))
        except Empty:
            return
        # Too late for a place that has timed out: its response is already recorded.
        if self._until.pop(place.slug, None) is not None:
            self._answers[place.slug] = place

    def _time_out(self) -> None:
        for slug in [slug for slug, until in self._until.items() if until <= self.monotonic()]:
            del self._until[slug]
            self._answers[slug] = PlaceResponse(slug=slug, outcome="timeout", detail="no response")

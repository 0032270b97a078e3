"""One poll: request all places of a feed in parallel, within limits of concurrency and time.

`place_poll` requests a single place; `charging_assets.archive` stores the poll.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from queue import Empty, SimpleQueue
from threading import Thread

from msgspec.structs import replace

from charging_assets import __version__, clock
from charging_assets.acquisition.http_session import Session
from charging_assets.acquisition.place_poll import PlacePoll
from charging_assets.acquisition.response_body import Outcome
from charging_assets.acquisition.validators import LazyValidators, archived_validators
from charging_assets.archive.raw_objects import PlaceResponse, Poll
from charging_assets.hours import slot_of
from charging_assets.lake.store import Lake
from charging_assets.schemas.outcomes import is_good
from charging_assets.sources.credentials import Secrets, read_secrets
from charging_assets.sources.feeds import Feed

PROGRAM = f"charging_assets {__version__}"
# Time for a request that is cut off to report how far it got.
_GRACE_S = 0.5


def poll(
    feed: Feed,
    *,
    lake: Lake | None = None,
    environment: Mapping[str, str] = os.environ,
    now: Callable[[], datetime] = lambda: clock.utc_now(),
    monotonic: Callable[[], float] = time.monotonic,
) -> tuple[Poll, list[PlaceResponse]]:
    """Request every place of a feed once; return the header and its responses, by slug and part.

    The slot is the floor of the time of the first request, however long the poll takes. It ends
    within `poll_budget_s` seconds whatever the server does. A place that fails does not affect
    others: it raises nothing, its outcome states the failure.

    Args:
        lake: the archive, for conditional requests; without it all requests are unconditional.
        environment: has the credentials that the feed names.

    Raises:
        MissingCredential: a credential is not set; nothing was requested.
    """
    secrets = read_secrets(feed.credentials, environment)
    started_at = now()
    header = Poll(
        feed=feed.name,
        kind=feed.kind,
        slot_at=slot_of(started_at, feed.cadence),
        cadence_s=round(feed.cadence.total_seconds()),
        time_zone=feed.time_zone,
        place_slugs=feed.places,
        started_at=started_at,
        ended_at=started_at,
        program=PROGRAM,
    )
    validators = LazyValidators(lambda: archived_validators(lake, header) if lake else {})
    end = monotonic() + feed.poll_budget_s
    places = _PollRun(feed, now, monotonic, end, secrets, validators).answers()
    header = replace(header, ended_at=now())
    return header, sorted(places, key=lambda place: (place.slug, place.part))


def failed_places(places: Iterable[PlaceResponse]) -> list[tuple[str, str]]:
    """The places that did not answer well, as (slug, outcome), by slug; empty for a good poll.

    Of a place with several responses, the outcome is that of the first bad one.
    """
    failed: dict[str, str] = {}
    for place in sorted(places, key=lambda place: (place.slug, place.part)):
        if not is_good(place.outcome):
            failed.setdefault(place.slug, place.outcome)
    return sorted(failed.items())


@dataclass
class _PollRun:
    """A poll in progress, with at most `max_workers` requests at any time.

    Each place has a thread of its own instead of a pool's: a thread that hangs in a DNS lookup or a
    connect cannot be stopped, but it can be abandoned and does not block other places. Threads are
    daemons, so that an abandoned one does not keep the program from ending. What an abandoned one
    had received is kept.
    """

    feed: Feed
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    end: float
    secrets: Secrets
    validators: LazyValidators
    _ended: SimpleQueue[str] = field(default_factory=SimpleQueue)
    _until: dict[str, float] = field(default_factory=dict)
    _places: dict[str, PlacePoll] = field(default_factory=dict)
    _answers: dict[str, list[PlaceResponse]] = field(default_factory=dict)

    def answers(self) -> list[PlaceResponse]:
        """The responses of each place, at least one, by `end` at the latest."""
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
            self._abandon(slug, "over_budget")
        for slug in waiting:
            self._answers[slug] = [
                PlaceResponse(slug=slug, outcome="over_budget", detail="not requested")
            ]
        return [part for parts in self._answers.values() for part in parts]

    @property
    def _deadline(self) -> float:
        """When pending requests are cut off, so that they can report before `end`."""
        return self.end - min(_GRACE_S, self.feed.poll_budget_s / 10)

    def _may_start(self) -> bool:
        return len(self._until) < self.feed.max_workers and self.monotonic() < self._deadline

    def _start(self, session: Session, slug: str) -> None:
        self._until[slug] = self.monotonic() + self.feed.place_timeout_s + _GRACE_S
        place = self._places[slug] = PlacePoll(
            session, self.feed, slug, self.secrets, self.validators, self._deadline, self.now,
            self.monotonic,
        )  # fmt: skip
        thread = Thread(target=self._request, args=(place,), name=f"poll {slug}", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            place.parts.append(
                PlaceResponse(slug=slug, outcome="failed", detail="no thread could be started")
            )
            self._ended.put(slug)

    def _request(self, place: PlacePoll) -> None:
        """Request a place, in its own thread, and report its end even after an error."""
        try:
            place.run()
        finally:
            self._ended.put(place.slug)

    def _collect(self) -> None:
        """Wait for a place to end, at most until the next one times out."""
        wait_s = min(self.end, *self._until.values()) - self.monotonic()
        try:
            slug = self._ended.get(timeout=max(wait_s, 0))
        except Empty:
            return
        # Too late for a place that has timed out: its responses are already recorded.
        if self._until.pop(slug, None) is not None:
            self._answers[slug] = self._places.pop(slug).parts

    def _time_out(self) -> None:
        for slug in [slug for slug, until in self._until.items() if until <= self.monotonic()]:
            del self._until[slug]
            self._abandon(slug, "timeout")

    def _abandon(self, slug: str, outcome: Outcome) -> None:
        """Record what a place whose thread hangs has received, and that this is not all."""
        parts = list(self._places.pop(slug).parts)
        parts.append(
            PlaceResponse(slug=slug, outcome=outcome, detail="no response", part=len(parts))
        )
        self._answers[slug] = parts

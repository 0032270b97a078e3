"""Poll one place: run the requests of its kind, and keep every response in the order received.

The generator of a kind, and the server whose links it follows, are not trusted to end: requests,
bytes and time are limited, hosts are checked, and no page is requested or read twice.
"""

from __future__ import annotations

import hashlib
import logging
import math
import re
import time
import traceback
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from msgspec.structs import replace

from charging_assets import sources
from charging_assets.acquisition.hosts import HostRules
from charging_assets.acquisition.http_client import Limits, conditions, fetch
from charging_assets.acquisition.http_session import Session
from charging_assets.acquisition.response_body import Outcome
from charging_assets.acquisition.validators import LazyValidators
from charging_assets.archive.raw_objects import PlaceResponse
from charging_assets.schemas.outcomes import NOT_MODIFIED, is_good
from charging_assets.sources import BadBody
from charging_assets.sources.credentials import Secrets
from charging_assets.sources.feeds import Feed
from charging_assets.sources.paging import Request, Response, get_once
from charging_assets.text import printable

_LOG = logging.getLogger(__name__)
_SECRET_PARAMETER = re.compile(
    r"token|secret|signature|passw|pwd|credential|api[-_]?key|auth|^(key|sig|code)$", re.IGNORECASE
)
_MAX_URL, _MAX_DETAIL = 2048, 300


@dataclass
class PlacePoll:
    """A poll of one place in progress.

    `parts` are its responses so far. Another thread may read them at any time, and gives up waiting
    when the place's time is over.
    """

    session: Session
    feed: Feed
    slug: str
    secrets: Secrets
    validators: LazyValidators
    deadline: float
    now: Callable[[], datetime]
    monotonic: Callable[[], float] = time.monotonic
    parts: list[PlaceResponse] = field(default_factory=list)

    def run(self) -> None:
        """Request until the kind has no more requests, or a limit or an error ends the place.

        Raises nothing: the last part states why the place's answer is not complete.
        """
        try:
            requests = self._requests()
            self._follow(requests)
            requests.close()
        except Exception as error:  # any error: what was received is kept
            # The text may quote a body that echoes a credential.
            trace = self.secrets.redact("".join(traceback.format_exception(error)))
            _LOG.error("feed %s: requesting %s failed\n%s", self.feed.name, self.slug, trace)
            self._end("failed", type(error).__name__)
        if not self.parts:
            self._end("failed", f"kind {self.feed.kind} made no request")

    def _requests(self) -> Generator[Request, Response, Any]:
        feed_kind = sources.kind(self.feed.kind)
        requests = getattr(feed_kind, "requests", None)
        if callable(requests):
            generator: Generator[Request, Response, Any] = requests(self.feed, self.slug, None)
            return generator
        return get_once(Request(feed_kind.url(self.feed.base_url, self.slug)))

    def _follow(self, requests: Generator[Request, Response, Any]) -> None:
        end = min(self.monotonic() + self.feed.place_timeout_s, self.deadline)
        rules = HostRules.of_feed(self.feed)
        requested: set[str] = set()
        bodies: set[tuple[str, bytes]] = set()
        byte_count = 0
        response: Response | None = None
        while True:
            try:
                request = next(requests) if response is None else requests.send(response)
                url = request.full_url
            except StopIteration:
                return None
            except BadBody as error:
                return self._reject_last(error)
            if len(self.parts) >= self.feed.max_pages:
                return self._end("too_many_pages", f"more than {self.feed.max_pages} pages", url)
            if url in requested:
                return self._end("repeated_page", "the same page was requested before", url)
            if self.parts and self.secrets.occur_in(url):
                return self._end("link_refused", "the page's address contains a credential")
            if byte_count >= self.feed.max_place_bytes:
                return self._end("too_large", f"more than {self.feed.max_place_bytes} bytes", url)
            if self.monotonic() >= end:
                is_budget = end == self.deadline
                return self._end("over_budget" if is_budget else "timeout", "not requested", url)
            requested.add(url)
            shown_url = self._redact_url(url)
            archived = self.validators.of(self.slug, shown_url) if request.is_conditional else {}
            limits = Limits(
                place_timeout_s=math.inf
                if end == self.deadline
                else max(end - self.monotonic(), 0),
                max_body_bytes=min(
                    self.feed.max_body_bytes, self.feed.max_place_bytes - byte_count
                ),
                attempts=self.feed.attempts,
                deadline=self.deadline,
                rules=rules,
                secrets=self.secrets,
                accepts=request.accepts,
                headers={**request.headers, **conditions(archived)},
                is_conditional=bool(conditions(archived)),
            )
            fetched = fetch(
                self.session, url, slug=self.slug, limits=limits, now=self.now,
                monotonic=self.monotonic,
            )  # fmt: skip
            place = replace(fetched.place, part=len(self.parts), url=shown_url)
            body = place.body or b""
            byte_count += len(body)
            page = urlsplit(url).path, hashlib.sha256(body).digest()
            if body and is_good(place.outcome) and page in bodies:
                place = replace(
                    place, outcome="repeated_page", detail="the body is that of an earlier page"
                )
            bodies.add(page)
            self.parts.append(place)
            if not is_good(place.outcome):
                return None
            status = 304 if place.outcome == NOT_MODIFIED else place.http_status or 200
            response = Response(url, status, fetched.headers, body)

    def _reject_last(self, error: BadBody) -> None:
        """State in the last response why the kind cannot go on."""
        text = printable(self.secrets.redact(f"{error.code}: {error}")[:_MAX_DETAIL])
        if self.parts:
            self.parts[-1] = replace(self.parts[-1], outcome="bad_body", detail=text)
        else:
            self._end("failed", text)

    def _end(self, outcome: Outcome, detail: str, url: str | None = None) -> None:
        """Add a part for a page that was not requested, so that the answer is not complete."""
        self.parts.append(
            PlaceResponse(
                slug=self.slug, outcome=outcome, detail=detail, part=len(self.parts),
                url=None if url is None else self._redact_url(url),
            )
        )  # fmt: skip

    def _redact_url(self, url: str) -> str:
        """The URL to archive: without user, credential, and parameters that look like one."""
        parts = urlsplit(url)
        query = parts.query
        pairs = parse_qsl(query, keep_blank_values=True)
        if any(_SECRET_PARAMETER.search(name) for name, _ in pairs):
            query = urlencode(
                [
                    (name, "redacted" if _SECRET_PARAMETER.search(name) else value)
                    for name, value in pairs
                ]
            )
        host = parts.netloc.rpartition("@")[2]
        shown = urlunsplit((parts.scheme, host, parts.path, query, ""))
        return printable(self.secrets.redact(shown)[:_MAX_URL])

"""The HTTP client: request one place, with limits of time and size, retries and redirects.

The server is not trusted. On its own, `requests` limits only the time between two bytes, so that a
response of one byte a second never ends; it decompresses bodies without a limit, even the body of
a redirect that it does not follow; and it follows redirects to any host.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import requests
import urllib3
from msgspec.structs import replace

from charging_assets import clock
from charging_assets.acquisition.hosts import HostRules, Target
from charging_assets.acquisition.http_session import (
    Deadline,
    PrivateAddressError,
    Session,
    guard,
)
from charging_assets.acquisition.response_body import (
    Outcome,
    decompress_file,
    describe_error,
    read_body,
    root_cause,
)
from charging_assets.archive.raw_objects import HEADERS, PlaceResponse
from charging_assets.schemas.outcomes import is_good
from charging_assets.sources.credentials import NO_SECRETS, Secrets
from charging_assets.text import printable

_CONNECT_TIMEOUT_S = 10.0
_MAX_REDIRECTS = 3
_REDIRECTS = {301, 302, 303, 307, 308}
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 8.0
_MAX_HEADER = 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of one request: its time, bytes, attempts, hosts and credentials.

    `accepts` are statuses besides 200 that count as ok. `is_conditional`: 304 is `not_modified`.
    """

    place_timeout_s: float
    max_body_bytes: int
    attempts: int
    deadline: float
    rules: HostRules | None = None
    secrets: Secrets = NO_SECRETS
    accepts: Set[int] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict)
    is_conditional: bool = False


class Fetched(NamedTuple):
    """The response as it is archived, and all of its headers, with names in lower case."""

    place: PlaceResponse
    headers: Mapping[str, str]


def fetch(
    session: Session,
    url: str,
    *,
    slug: str,
    limits: Limits,
    now: Callable[[], datetime] = lambda: clock.utc_now(),
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Fetched:
    """Request one place, with at most `attempts` attempts in `place_timeout_s` seconds in total.

    `deadline` is when the poll must end, in seconds of `monotonic`. `requested_at` and
    `elapsed_ms` are those of the last attempt, whose body is kept. No behaviour of the server
    raises an error. Only a hanging DNS lookup or connect exceeds the time; `poll` does not wait
    for it.
    """
    end = min(monotonic() + limits.place_timeout_s, limits.deadline)
    late: Outcome = "over_budget" if end == limits.deadline else "timeout"
    attempts = limits.attempts
    for attempt in range(1, attempts + 1):
        requested_at, began = now(), monotonic()
        with Deadline(end - began) as attempt_deadline:
            request = _Attempt(session, slug, limits, end - began, lambda: monotonic() >= end)
            fetched = request.send(url)
        elapsed_ms = round((monotonic() - began) * 1000)
        place = replace(fetched.place, requested_at=requested_at, elapsed_ms=elapsed_ms)
        if attempt_deadline.expired or (_is_transient(place) and monotonic() >= end):
            place = replace(place, outcome=late, detail=f"cut off in attempt {attempt}")
            return Fetched(place, fetched.headers)
        # Half of the pause is random, so that places which failed together retry apart.
        pause_s = min(_FIRST_PAUSE_S * 2 ** (attempt - 1), _LONGEST_PAUSE_S)
        retry_after_s = _parse_retry_after(fetched.headers.get("retry-after", ""), now())
        pause_s = max(pause_s * random.uniform(0.5, 1), retry_after_s)
        if not _is_transient(place) or attempt == attempts or monotonic() + pause_s >= end:
            break
        sleep(pause_s)
    if not is_good(place.outcome) and attempt > 1:
        place = replace(place, detail=f"{place.detail}; attempt {attempt} of {attempts}")
    return Fetched(place, fetched.headers)


def _is_transient(place: PlaceResponse) -> bool:
    """Whether a retry may succeed."""
    status = place.http_status or 0
    is_busy = place.outcome == "http_error" and (status == 429 or status >= 500)
    return is_busy or place.outcome in {"connection_error", "truncated"}


@dataclass
class _Attempt:
    """One attempt, redirects included."""

    session: Session
    slug: str
    limits: Limits
    time_s: float
    is_expired: Callable[[], bool]

    def send(self, url: str) -> Fetched:
        rules = self.limits.rules or HostRules.of_url(url)
        target, origin = rules.resolve(url, "")
        if target is None:
            return self._fail("link_refused", f"the page is at {origin}; allow_hosts lacks it")
        place, headers = PlaceResponse(slug=self.slug, outcome="failed"), dict[str, str]()
        try:
            for _ in range(_MAX_REDIRECTS + 1):
                with self._get(target) as response:
                    headers = _lower_case(response.headers)
                    place = self._read(response)
                location = headers.get("location")
                if response.status_code not in _REDIRECTS or location is None:
                    return Fetched(place, headers)
                target, origin = rules.resolve(target.url, location)
                is_echo = self.limits.secrets.occur_in(location)
                if target is None or is_echo:
                    # A host can be a part of a secret, which is not recognized.
                    origin = "an address that contains a credential" if is_echo else origin
                    detail = self._redact(f"HTTP {response.status_code} to {origin}")
                    return Fetched(
                        replace(place, outcome="redirect_refused", detail=detail), headers
                    )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            if isinstance(root_cause(error), PrivateAddressError):
                return self._fail("redirect_refused", f"{origin} has a private address")
            return self._fail("connection_error", describe_error(error, self.limits.secrets.redact))
        detail = f"more than {_MAX_REDIRECTS} redirects"
        return Fetched(replace(place, outcome="redirect_refused", detail=detail), headers)

    def _get(self, target: Target) -> requests.Response:
        secrets, limits = self.limits.secrets, self.limits
        time_s = max(self.time_s, 0.001)
        headers, certificate = dict(limits.headers), None
        if target.has_credentials:
            headers |= secrets.headers
            certificate = secrets.certificate
        with guard(is_public_only=target.is_public_only, redact=secrets.redact):
            return self.session.get(
                target.url, headers=headers, cert=certificate, stream=True, verify=True,
                timeout=(min(time_s, _CONNECT_TIMEOUT_S), time_s),
            )  # fmt: skip

    def _read(self, response: requests.Response) -> PlaceResponse:
        status, encoding = response.status_code, response.headers.get("content-encoding", "")
        cap = self.limits.max_body_bytes
        headers = self._archived_headers(response)
        received_sha256 = None
        outcome: Outcome
        outcome, body, detail = read_body(
            response.raw, encoding.strip().lower(), cap, self.is_expired
        )
        if outcome == "ok" and status == 304 and self.limits.is_conditional:
            outcome, body = "not_modified", None
            # The answer that the request named; a server may leave its validators out, add one,
            # or weaken the ETag.
            others = {name: value for name, value in headers.items() if name not in _CONDITIONS}
            headers = others | conditions_as_headers(self.limits.headers)
        elif outcome == "ok" and status != 200 and status not in self.limits.accepts:
            outcome, detail = "http_error", f"HTTP {status}"
        elif outcome == "ok" and body is not None:
            received = body
            outcome, body, detail = decompress_file(received, cap, self.is_expired)
            if body is not received:
                received_sha256 = hashlib.sha256(received).hexdigest()
        return PlaceResponse(
            slug=self.slug, outcome=outcome, body=body, http_status=status, detail=detail,
            headers=headers, received_sha256=received_sha256,
        )  # fmt: skip

    def _archived_headers(self, response: requests.Response) -> dict[str, str]:
        """The headers to archive; one that is too long or echoes a secret is left out."""
        values = {name: response.headers.get(name) for name in HEADERS}
        return {
            name: value
            for name, value in values.items()
            if value
            and len(value) <= _MAX_HEADER
            and value.isprintable()
            and not self.limits.secrets.occur_in(value)
        }

    def _fail(self, outcome: Outcome, detail: str) -> Fetched:
        place = PlaceResponse(slug=self.slug, outcome=outcome, detail=self._redact(detail))
        return Fetched(place, {})

    def _redact(self, text: str) -> str:
        # Redacted before it is cut: a part of a secret is a secret.
        return printable(self.limits.secrets.redact(text)[:200])


_CONDITIONS = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}


def conditions(headers: Mapping[str, str]) -> dict[str, str]:
    """The request headers that make a request conditional on an archived response."""
    return {sent: headers[name] for name, sent in _CONDITIONS.items() if name in headers}


def conditions_as_headers(sent: Mapping[str, str]) -> dict[str, str]:
    """The response headers that the conditions of a request were made from."""
    return {name: sent[condition] for name, condition in _CONDITIONS.items() if condition in sent}


def _lower_case(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _parse_retry_after(value: str, now: datetime) -> float:
    """`Retry-After` in seconds, given as seconds or as a date; 0 if it is absent or invalid."""
    with suppress(ValueError, OverflowError):
        if value.isdecimal():
            return float(value)
        when = parsedate_to_datetime(value)
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max((when - now).total_seconds(), 0)
    return 0

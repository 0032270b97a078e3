"""The HTTP client: request one place, with limits of time and size, retries and redirects.

The server is not trusted. On its own, `requests` limits only the time between two bytes, so that a
response of one byte a second never ends; it decompresses bodies without a limit, even the body of
a redirect that it does not follow; and it follows redirects to any host.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
import urllib3
from msgspec.structs import replace

from charging_assets import clock
from charging_assets.acquisition.http_session import Deadline, Session
from charging_assets.acquisition.response_body import Outcome, describe_error, read_body
from charging_assets.archive.raw_objects import PlaceResponse
from charging_assets.text import printable

_CONNECT_TIMEOUT_S = 10.0
_MAX_REDIRECTS = 3
_REDIRECTS = {301, 302, 303, 307, 308}
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 8.0
_PORTS = {"http": 80, "https": 443}


def fetch(
    session: Session,
    url: str,
    *,
    slug: str,
    place_timeout_s: float,
    max_body_bytes: int,
    attempts: int,
    deadline: float,
    now: Callable[[], datetime] = lambda: clock.utc_now(),
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> PlaceResponse:
    """Request one place, with at most `attempts` attempts in `place_timeout_s` seconds in total.

    `deadline` is when the poll must end, in seconds of `monotonic`. `requested_at` and
    `elapsed_ms` are those of the last attempt, whose body is kept. No behaviour of the server
    raises an error. Only a hanging DNS lookup or connect exceeds the time; `poll` does not wait
    for it.
    """
    end = min(monotonic() + place_timeout_s, deadline)
    late: Outcome = "over_budget" if end == deadline else "timeout"
    for attempt in range(1, attempts + 1):
        requested_at, began = now(), monotonic()
        with Deadline(end - began) as attempt_deadline:
            place, retry_after_s = _attempt(
                session, url, slug, max_body_bytes, end - began, now, lambda: monotonic() >= end
            )
        elapsed_ms = round((monotonic() - began) * 1000)
        place = replace(place, requested_at=requested_at, elapsed_ms=elapsed_ms)
        if attempt_deadline.expired or (_is_transient(place) and monotonic() >= end):
            return replace(place, outcome=late, detail=f"cut off in attempt {attempt}")
        # Half of the pause is random, so that places which failed together retry apart.
        pause_s = min(_FIRST_PAUSE_S * 2 ** (attempt - 1), _LONGEST_PAUSE_S)
        pause_s = max(pause_s * random.uniform(0.5, 1), retry_after_s)
        if not _is_transient(place) or attempt == attempts or monotonic() + pause_s >= end:
            break
        sleep(pause_s)
    if place.outcome != "ok" and attempt > 1:
        place = replace(place, detail=f"{place.detail}; attempt {attempt} of {attempts}")
    return place


def _is_transient(place: PlaceResponse) -> bool:
    """Whether a retry may succeed."""
    status = place.http_status or 0
    is_busy = place.outcome == "http_error" and (status == 429 or status >= 500)
    return is_busy or place.outcome in {"connection_error", "truncated"}


def _attempt(
    session: Session,
    url: str,
    slug: str,
    cap: int,
    time_s: float,
    now: Callable[[], datetime],
    is_expired: Callable[[], bool],
) -> tuple[PlaceResponse, float]:
    """Make one attempt, redirects included; returns the response and its `Retry-After` seconds."""
    time_s = max(time_s, 0.001)
    timeout = min(time_s, _CONNECT_TIMEOUT_S), time_s
    try:
        for _ in range(_MAX_REDIRECTS + 1):
            with session.get(url, stream=True, timeout=timeout, verify=True) as response:
                place = _read_response(slug, response, cap, is_expired)
            location = response.headers.get("location")
            if response.status_code not in _REDIRECTS or location is None:
                return place, _parse_retry_after(response.headers.get("retry-after", ""), now())
            target, origin = _redirect_target(url, location)
            if target is None:
                detail = f"HTTP {response.status_code} to {origin}"
                return replace(place, outcome="redirect_refused", detail=detail), 0
            url = target
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        return PlaceResponse(slug=slug, outcome="connection_error", detail=describe_error(error)), 0
    detail = f"more than {_MAX_REDIRECTS} redirects"
    return replace(place, outcome="redirect_refused", detail=detail), 0


def _redirect_target(url: str, location: str) -> tuple[str | None, str]:
    """The target, or None if it is of another origin; and its origin, without path and user."""
    source = urlsplit(url)
    try:
        target = urlsplit(urljoin(url, location))
        ports = [parts.port or _PORTS.get(parts.scheme) for parts in (source, target)]
    except ValueError:
        return None, "no valid address"
    if (source.scheme, source.hostname, ports[0]) != (target.scheme, target.hostname, ports[1]):
        return None, printable(f"{target.scheme}://{target.hostname}:{ports[1]}"[:100])
    # The host is copied from our own URL, so that two parsers cannot read the target differently.
    return urlunsplit((source.scheme, source.netloc, target.path, target.query, "")), ""


def _read_response(
    slug: str, response: requests.Response, cap: int, is_expired: Callable[[], bool]
) -> PlaceResponse:
    status, encoding = response.status_code, response.headers.get("content-encoding", "")
    outcome, body, detail = read_body(response.raw, encoding.strip().lower(), cap, is_expired)
    if outcome == "ok" and status != 200:
        outcome, detail = "http_error", f"HTTP {status}"
    return PlaceResponse(slug=slug, outcome=outcome, body=body, http_status=status, detail=detail)


def _parse_retry_after(value: str, now: datetime) -> float:
    """`Retry-After` in seconds, given as seconds or as a date; 0 if it is absent or invalid."""
    with suppress(ValueError, OverflowError):
        if value.isdecimal():
            return float(value)
        when = parsedate_to_datetime(value)
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max((when - now).total_seconds(), 0)
    return 0

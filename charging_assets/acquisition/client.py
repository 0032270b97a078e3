"""The HTTP client: one place is asked, and answers within its time and size or is cut off.

Belongs here: attempts, redirects, retries. Does not belong here: sockets and deadlines
(`connections`), bodies (`bodies`), which places there are (`feeds`), asking many (`poll`).

The server is trusted with nothing. `requests` alone bounds the gap between two bytes, so that a
byte a second lasts for ever; it inflates bodies without a limit, even that of a redirect which it
was told not to follow; and it follows redirects anywhere.
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
from charging_assets.acquisition.bodies import Outcome, read_body, reason
from charging_assets.acquisition.connections import Session, Watchdog
from charging_assets.acquisition.raw_objects import Place
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
) -> Place:
    """Ask one place, at most `attempts` times and for `place_timeout_s` seconds in all.

    `deadline` is when the poll must end, in seconds of `monotonic`. `requested_at` and
    `elapsed_ms` are those of the last attempt, whose body is kept. Nothing is raised for what a
    server does. Only a hanging resolver or connect outlasts the time; `poll` does not await it.
    """
    end = min(monotonic() + place_timeout_s, deadline)
    late: Outcome = "over_budget" if end == deadline else "timeout"
    for attempt in range(1, attempts + 1):
        requested_at, began = now(), monotonic()
        with Watchdog(end - began) as watchdog:
            place, asked_pause_s = _ask(
                session, url, slug, max_body_bytes, end - began, now, lambda: monotonic() >= end
            )
        elapsed_ms = round((monotonic() - began) * 1000)
        place = replace(place, requested_at=requested_at, elapsed_ms=elapsed_ms)
        if watchdog.has_bitten or (_is_passing(place) and monotonic() >= end):
            return replace(place, outcome=late, detail=f"cut off in attempt {attempt}")
        # Half of the pause is left to chance, so that places which failed together part.
        pause_s = min(_FIRST_PAUSE_S * 2 ** (attempt - 1), _LONGEST_PAUSE_S)
        pause_s = max(pause_s * random.uniform(0.5, 1), asked_pause_s)
        if not _is_passing(place) or attempt == attempts or monotonic() + pause_s >= end:
            break
        sleep(pause_s)
    if place.outcome != "ok" and attempt > 1:
        place = replace(place, detail=f"{place.detail}; attempt {attempt} of {attempts}")
    return place


def _is_passing(place: Place) -> bool:
    """Whether the fault may be over in a moment."""
    status = place.http_status or 0
    is_busy = place.outcome == "http_error" and (status == 429 or status >= 500)
    return is_busy or place.outcome in {"connection_error", "truncated"}


def _ask(
    session: Session,
    url: str,
    slug: str,
    cap: int,
    time_s: float,
    now: Callable[[], datetime],
    is_over: Callable[[], bool],
) -> tuple[Place, float]:
    """One attempt, redirects included: the answer, and for how long the server wants no other."""
    time_s = max(time_s, 0.001)
    timeout = min(time_s, _CONNECT_TIMEOUT_S), time_s
    try:
        for _ in range(_MAX_REDIRECTS + 1):
            with session.get(url, stream=True, timeout=timeout, verify=True) as response:
                place = _place(slug, response, cap, is_over)
            location = response.headers.get("location")
            if response.status_code not in _REDIRECTS or location is None:
                return place, _retry_after_s(response.headers.get("retry-after", ""), now())
            target, goal = _redirect(url, location)
            if target is None:
                detail = f"HTTP {response.status_code} to {goal}"
                return replace(place, outcome="redirect_refused", detail=detail), 0
            url = target
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        return Place(slug=slug, outcome="connection_error", detail=reason(error)), 0
    detail = f"more than {_MAX_REDIRECTS} redirects"
    return replace(place, outcome="redirect_refused", detail=detail), 0


def _redirect(url: str, location: str) -> tuple[str | None, str]:
    """The target, or None if it is elsewhere; and where it is, without path, query or user."""
    here = urlsplit(url)
    try:
        target = urlsplit(urljoin(url, location))
        ports = [parts.port or _PORTS.get(parts.scheme) for parts in (here, target)]
    except ValueError:
        return None, "no valid address"
    if (here.scheme, here.hostname, ports[0]) != (target.scheme, target.hostname, ports[1]):
        return None, printable(f"{target.scheme}://{target.hostname}:{ports[1]}"[:100])
    # Our own host letter by letter, so that no two parsers of the target can differ about it.
    return urlunsplit((here.scheme, here.netloc, target.path, target.query, "")), ""


def _place(slug: str, response: requests.Response, cap: int, is_over: Callable[[], bool]) -> Place:
    status, encoding = response.status_code, response.headers.get("content-encoding", "")
    outcome, body, detail = read_body(response.raw, encoding.strip().lower(), cap, is_over)
    if outcome == "ok" and status != 200:
        outcome, detail = "http_error", f"HTTP {status}"
    return Place(slug=slug, outcome=outcome, body=body, http_status=status, detail=detail)


def _retry_after_s(value: str, now: datetime) -> float:
    """`Retry-After` in seconds, given as such or as a date; 0 if it says nothing sensible."""
    with suppress(ValueError, OverflowError):
        if value.isdecimal():
            return float(value)
        when = parsedate_to_datetime(value)
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max((when - now).total_seconds(), 0)
    return 0

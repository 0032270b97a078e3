"""A place of several requests, against a real server: pages, limits, hosts and faults of lists.

Every response is archived as a part, whatever comes after it, and no list is read without end.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
import time
from typing import Any
from urllib.parse import urlencode

import pytest

from charging_assets.acquisition.poll import failed_places, poll
from charging_assets.archive.raw_archive import archive, read
from charging_assets.archive.raw_objects import PlaceResponse
from charging_assets.lake.memory import MemoryLake
from charging_assets.sources.feeds import Feed
from charging_assets.sources.paging import Request, Response, cursor_pages, json_ids
from charging_assets_tests.acquisition import loopback, paged_kind
from charging_assets_tests.acquisition.loopback import Loopback, Pages, reply
from charging_assets_tests.builders import station

STYLES = ("links", "offset", "cursor")
# A machine that does other things too.
SOON_S = 30


def feed(server: Loopback, *places: str, **settings: Any) -> Feed:
    limits = {"place_timeout_s": 20, "poll_budget_s": 60, "attempts": 1, "max_body_bytes": 10**7}
    defaults = {"name": "test", "kind": paged_kind.NAME, "base_url": server.url, **limits}
    return Feed(places=places, **{**defaults, **settings})


def parts_of(server: Loopback, place: str, **settings: Any) -> list[PlaceResponse]:
    """The parts of a poll of one place, after a round trip through the archive."""
    header, places = poll(feed(server, place, **settings))
    lake = MemoryLake()
    key, _ = archive(lake, header, places)
    archived = [answer.place for answer in read(lake, key)]
    assert archived == places
    assert [part.part for part in archived] == list(range(len(archived)))
    return archived


def outcomes(parts: list[PlaceResponse]) -> list[str]:
    return [part.outcome for part in parts]


def records(count: int) -> list[Any]:
    return [station(f"s{number}") for number in range(count)]


def ids(parts: list[PlaceResponse]) -> list[str]:
    stations = paged_kind.split([part.body or b"" for part in parts]).stations
    return [json.loads(each)["id"] for each in stations]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("count", [1, 4, 5])
def test_poll__every_page_is_a_part_in_order(server: Loopback, style: str, count: int) -> None:
    server.behaviours[style] = Pages(records(count), style)
    parts = parts_of(server, style)
    assert outcomes(parts) == ["ok"] * ((count + 1) // 2)
    assert ids(parts) == [f"s{number}" for number in range(count)]
    assert [part.url for part in parts] == [server.url + path for path in server.paths()]
    assert all(part.requested_at and part.elapsed_ms is not None for part in parts)
    assert all(set(part.headers) == {"Date"} for part in parts)


@pytest.mark.parametrize("style", STYLES)
def test_poll__an_empty_list_is_one_page(server: Loopback, style: str) -> None:
    server.behaviours[style] = Pages([], style)
    assert outcomes(parts_of(server, style)) == ["ok"]


def test_poll__offset_pages_without_a_total_end_with_a_page_that_is_not_full(
    server: Loopback,
) -> None:
    server.behaviours["offset"] = Pages(records(4), "offset", total=[None])
    parts = parts_of(server, "offset")
    assert (outcomes(parts), len(ids(parts))) == (["ok"] * 3, 4)


def test_poll__a_cursor_may_end_with_an_empty_page(server: Loopback) -> None:
    page = reply(json.dumps({"next": "2", "items": records(2)}).encode())
    server.behaviours["cursor"] = loopback.sequence(page, reply(b'{"next": null, "items": []}'))
    assert outcomes(parts_of(server, "cursor")) == ["ok", "ok"]


def test_poll__a_queue_is_read_until_it_is_empty(server: Loopback) -> None:
    packet = [reply(json.dumps({"data": [station(f"s{n}")]}).encode()) for n in range(3)]
    server.behaviours["queue"] = loopback.sequence(*packet, reply(b"", 204))
    parts = parts_of(server, "queue")
    assert [part.http_status for part in parts] == [200, 200, 200, 204]
    assert ids(parts) == ["s0", "s1", "s2"]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (reply(b"down", 503), "http_error"),
        (reply(b"slow down", 429, Retry_After=3600), "http_error"),
        (reply(b"who are you", 401), "http_error"),
        (loopback.reset(), "connection_error"),
        (loopback.truncated(), "truncated"),
        (loopback.drip_body(), "timeout"),
        (reply(b'{"status_code": 2001, "status_message": "no"}'), "bad_body"),
        (loopback.html(), "bad_body"),
    ],
    ids=["503", "429", "401", "reset", "truncated", "drip", "error with status 200", "html"],
)
@pytest.mark.fault(
    "A page in the middle of a list fails",
    "the pages before it are archived, the poll of the place is incomplete",
    area="answers",
)
def test_poll__a_bad_page_ends_the_place_and_keeps_the_pages_before(
    server: Loopback, style: str, fault: loopback.Behaviour, outcome: str
) -> None:
    server.behaviours[style] = Pages(records(8), style, faults={2: fault})
    began = time.monotonic()
    parts = parts_of(server, style, place_timeout_s=3)
    assert time.monotonic() - began < SOON_S
    assert outcomes(parts) == ["ok", "ok", outcome]
    assert ids(parts[:2]) == ["s0", "s1", "s2", "s3"]
    assert failed_places(parts) == [(style, outcome)]
    if outcome in {"http_error", "bad_body"}:
        assert parts[2].body


def test_poll__a_busy_page_is_retried_after_its_time(server: Loopback) -> None:
    server.behaviours["links"] = pages = Pages(records(4), "links")
    busy = reply(b"", 429, Retry_After=1)

    def first_busy(handler: loopback.Handler) -> None:
        pages.faults.clear()
        busy(handler)

    pages.faults = {1: first_busy}
    assert outcomes(parts_of(server, "links", attempts=2)) == ["ok", "ok"]


@pytest.mark.fault(
    "A cursor that leads back, or a list without an end",
    "the place ends with the outcome that states it; pages received are archived",
    area="answers",
)
@pytest.mark.parametrize(
    ("style", "behaviour", "expected"),
    [
        # The cursor of the second page leads to the second page again.
        (
            "cursor",
            lambda: loopback.sequence(
                reply(json.dumps({"next": "b", "items": records(1)}).encode()),
                reply(json.dumps({"next": "b", "items": [station("x")]}).encode()),
            ),
            ["ok", "ok", "repeated_page"],
        ),
        # The offset is ignored: each page is the first one.
        (
            "offset",
            lambda: reply(json.dumps({"data": records(2)}).encode(), X_Total_Count=9),
            ["ok", "repeated_page"],
        ),
        # The same, with a timestamp in the envelope.
        (
            "offset",
            lambda: loopback.sequence(
                reply(json.dumps({"data": records(2), "timestamp": 1}).encode()),
                reply(json.dumps({"data": records(2), "timestamp": 2}).encode()),
            ),
            ["ok", "bad_body"],
        ),
        (
            "links",
            lambda: reply(b'{"data": []}', Link='</links>; rel="next"'),
            ["ok", "repeated_page"],
        ),
    ],
    ids=["cursor loop", "offset ignored", "offset ignored, bodies differ", "link to itself"],
)
def test_poll__a_repeated_page_ends_the_place(
    server: Loopback, style: str, behaviour: Any, expected: list[str]
) -> None:
    server.behaviours[style] = behaviour()
    parts = parts_of(server, style)
    assert outcomes(parts) == expected
    assert len(server.received) <= len(expected)


def _endless(handler: loopback.Handler) -> None:
    number = int(loopback.query_of(handler).get("cursor", 0))
    page = {"next": str(number + 1), "items": [station(f"s{number}")]}
    reply(json.dumps(page).encode())(handler)


def test_poll__an_endless_list_ends_at_the_limit_of_pages(server: Loopback) -> None:
    server.behaviours["cursor"] = _endless
    parts = parts_of(server, "cursor", max_pages=7)
    assert outcomes(parts) == ["ok"] * 7 + ["too_many_pages"]
    assert len(server.received) == 7


def test_poll__an_endless_list_ends_at_the_limit_of_bytes(server: Loopback) -> None:
    server.behaviours["cursor"] = _endless
    parts = parts_of(server, "cursor", max_place_bytes=2500)
    assert outcomes(parts)[-1] == "too_large" and set(outcomes(parts)[:-1]) == {"ok"}
    assert sum(len(part.body or b"") for part in parts) <= 2500


@pytest.mark.parametrize("is_budget", [True, False])
def test_poll__an_endless_list_ends_at_the_limit_of_time(server: Loopback, is_budget: bool) -> None:
    server.behaviours["cursor"] = _endless
    limit = {"poll_budget_s": 1.5} if is_budget else {"place_timeout_s": 1.5}
    began = time.monotonic()
    parts = parts_of(server, "cursor", max_pages=100_000, **limit)
    assert time.monotonic() - began < SOON_S
    assert outcomes(parts)[-1] == ("over_budget" if is_budget else "timeout")
    assert len(parts) > 1 and set(outcomes(parts)[:-1]) == {"ok"}


def test_poll__pages_of_a_thread_that_hangs_are_kept(
    server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kind that never comes back after the first page."""
    is_over = threading.Event()

    def read_ids(body: bytes) -> list[str]:
        is_over.wait(60)
        return []

    monkeypatch.setattr(paged_kind, "json_ids", lambda *_: read_ids)
    server.behaviours["links"] = Pages(records(4), "links")
    parts = parts_of(server, "links", place_timeout_s=1)
    is_over.set()
    assert outcomes(parts) == ["ok", "timeout"]
    assert ids(parts[:1]) == ["s0", "s1"]


@pytest.mark.parametrize(
    ("total", "code"),
    [([6, 6, 7], "list_changed"), ([6, 5], "list_changed"), ([9, 9, 9, 9, 9], "list_incomplete")],
)
def test_poll__a_list_that_changes_while_it_is_read_is_incomplete(
    server: Loopback, total: list[int | None], code: str
) -> None:
    server.behaviours["links"] = Pages(records(6), "links", total=total)
    parts = parts_of(server, "links")
    assert outcomes(parts)[-1] == "bad_body"
    assert (parts[-1].detail or "").startswith(f"{code}: ")
    assert parts[-1].body


def test_poll__a_total_may_be_on_the_first_page_only(server: Loopback) -> None:
    server.behaviours["links"] = Pages(records(6), "links", total=[6, None, None])
    assert set(outcomes(parts_of(server, "links"))) == {"ok"}


@pytest.mark.parametrize("cursor", ["/8j/4AAQSkZJRg==", "?x"])
def test_cursor_pages__a_cursor_that_begins_like_a_path_is_a_parameter(cursor: str) -> None:
    pages = cursor_pages(Request("https://example.org/a"), json_ids("items"))
    next(pages)
    body = json.dumps({"next": cursor, "items": []}).encode()
    request = pages.send(Response("https://example.org/a", 200, {}, body))
    assert request.full_url == f"https://example.org/a?{urlencode({'cursor': cursor})}"


def test_poll__ids_that_repeat_on_another_page_are_a_list_that_changed(server: Loopback) -> None:
    shifted = [*records(2), station("s1", name="moved on"), station("s2")]
    server.behaviours["cursor"] = Pages(shifted, "cursor")
    parts = parts_of(server, "cursor")
    assert (parts[-1].outcome, parts[-1].detail) == (
        "bad_body", "repeated_ids: 1 of 2 ids were on an earlier page",
    )  # fmt: skip


def test_poll__an_error_in_the_kind_keeps_the_pages_before(
    server: Loopback, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def read_ids(body: bytes) -> list[str]:
        raise ZeroDivisionError

    monkeypatch.setattr(paged_kind, "json_ids", lambda *_: read_ids)
    server.behaviours["links"] = Pages(records(4), "links")
    parts = parts_of(server, "links")
    assert outcomes(parts) == ["ok", "failed"]
    assert parts[1].detail == "ZeroDivisionError"
    assert "requesting links failed" in caplog.text


@pytest.mark.parametrize(
    "link",
    [
        "http://localhost:{port}/links?page=2",
        "https://127.0.0.1:{port}/links?page=2",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "http://[::1",
    ],
)
@pytest.mark.fault(
    "The next page is on another host",
    "it is not requested unless the feed allows the host",
    area="security",
)
def test_poll__a_page_link_to_another_host_is_refused(server: Loopback, link: str) -> None:
    link = link.format(port=server.port)
    server.behaviours["links"] = reply(b'{"data": []}', Link=f'<{link}>; rel="next"')
    parts = parts_of(server, "links")
    assert outcomes(parts)[0] == "ok"
    assert outcomes(parts)[1] in {"link_refused", "failed"}
    assert len(server.received) == 1


def test_poll__a_page_link_to_an_allowed_host_is_followed(server: Loopback) -> None:
    with Loopback() as other:
        other.behaviours["more"] = reply(b'{"data": [], "n": 2}')
        link = f'<http://localhost:{other.port}/more>; rel="next"'
        server.behaviours["links"] = reply(b'{"data": []}', Link=link)
        parts = parts_of(server, "links", allow_hosts=(f"localhost:{other.port}",))
        assert (outcomes(parts), other.paths()) == (["ok", "ok"], ["/more"])


def test_poll__a_gzip_file_is_decompressed_and_its_hash_kept(server: Loopback) -> None:
    body = json.dumps({"data": records(3)}).encode()
    packed = gzip.compress(body)
    server.behaviours["whole"] = reply(packed, Content_Type="application/gzip", ETag='"1"')
    (part,) = parts_of(server, "whole")
    assert (part.outcome, part.body) == ("ok", body)
    assert part.received_sha256 == hashlib.sha256(packed).hexdigest()
    assert (part.headers["Content-Type"], part.headers["ETag"]) == ("application/gzip", '"1"')


def test_poll__a_gzip_file_in_a_gzip_transfer_is_decompressed_once_each(server: Loopback) -> None:
    body = json.dumps({"data": records(1)}).encode()
    twice = gzip.compress(gzip.compress(body))
    server.behaviours["whole"] = reply(twice, Content_Encoding="gzip")
    (part,) = parts_of(server, "whole")
    assert part.body == body
    server.behaviours["whole"] = reply(gzip.compress(twice), Content_Encoding="gzip")
    (part,) = parts_of(server, "whole")
    assert part.body == gzip.compress(body)


@pytest.mark.parametrize(
    ("body", "outcome", "is_kept"),
    [
        (loopback._bomb(32), "too_large", False),
        (gzip.compress(b"x" * 1000)[:-9], "truncated", True),
        (gzip.compress(b"x" * 1000)[:-8] + b"12345678", "bad_encoding", True),
    ],
    ids=["bomb", "cut short", "damaged"],
)
def test_poll__a_bad_gzip_file_has_an_outcome(
    server: Loopback, body: bytes, outcome: str, is_kept: bool
) -> None:
    server.behaviours["whole"] = reply(body)
    (part,) = parts_of(server, "whole")
    assert (part.outcome, part.body) == (outcome, body if is_kept else None)


def test_poll__urls_are_archived_without_secrets(server: Loopback) -> None:
    def link(handler: loopback.Handler) -> None:
        is_first = "?" not in handler.path
        next_page = "</links?page=2&access_token=s3cret&Signature=s3cret>; rel=next"
        headers = {"Link": next_page} if is_first else {}
        reply(b'{"data": [], "n": %d}' % is_first, **headers)(handler)

    server.behaviours["links"] = link
    parts = parts_of(server, "links")
    assert "s3cret" in server.paths()[1]
    assert parts[1].url == f"{server.url}/links?page=2&access_token=redacted&Signature=redacted"


@pytest.mark.slow
def test_poll__a_thousand_pages_of_a_hundred_locations_fit_a_poll(server: Loopback) -> None:
    page = [station(f"s{number}") for number in range(100)]
    bodies = [
        json.dumps({"next": str(n + 1) if n < 999 else None,
                    "items": [{**each, "id": f"{n}-{each['id']}"} for each in page]}).encode()
        for n in range(1000)
    ]  # fmt: skip

    def serve(handler: loopback.Handler) -> None:
        reply(bodies[int(loopback.query_of(handler).get("cursor", 0))])(handler)

    server.behaviours["cursor"] = serve
    began = time.monotonic()
    parts = parts_of(server, "cursor", place_timeout_s=540, poll_budget_s=560)
    print(f"1,000 pages of 100 locations in {time.monotonic() - began:.1f} s")
    assert outcomes(parts) == ["ok"] * 1000

"""The client against a real server on loopback: responses, errors and retries."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from charging_assets_tests.acquisition import loopback
from charging_assets_tests.acquisition.client_calls import fetch_from
from charging_assets_tests.acquisition.loopback import OK, Loopback, reply, sequence


def test_fetch__good_answer_is_kept_verbatim(server: Loopback) -> None:
    before = datetime.now(UTC)
    server.behaviours["x"] = reply(OK, delay_s=0.05)
    place = fetch_from(server)
    assert (place.outcome, place.http_status, place.body, place.detail) == ("ok", 200, OK, None)
    assert place.requested_at is not None and before <= place.requested_at <= datetime.now(UTC)
    assert place.elapsed_ms is not None and 50 <= place.elapsed_ms < 2000
    assert server.received[0].headers["User-Agent"] == "test/1"
    # Only encodings that can be decompressed in steps are accepted.
    assert server.received[0].headers["Accept-Encoding"] == "gzip, deflate"


@pytest.mark.parametrize("status", [204, 206, 304, 400, 403, 404, 500])
def test_fetch__http_error_keeps_its_status(server: Loopback, status: int) -> None:
    has_body = status not in {204, 304}
    server.behaviours["x"] = reply(b"no" if has_body else b"", status)
    place = fetch_from(server)
    assert (place.outcome, place.http_status) == ("http_error", status)
    assert (place.body, place.detail) == (b"no" if has_body else b"", f"HTTP {status}")


@pytest.mark.parametrize("first", [reply(b"", 503), reply(b"", 429), loopback.reset()])
def test_fetch__transient_fault_is_retried(server: Loopback, first: loopback.Behaviour) -> None:
    server.behaviours["x"] = sequence(first, reply())
    pauses: list[float] = []
    place = fetch_from(server, attempts=3, sleep=pauses.append)
    assert (place.outcome, place.detail, len(server.received)) == ("ok", None, 2)
    assert len(pauses) == 1 and 0.25 <= pauses[0] <= 0.5


def test_fetch__attempts_end_and_pauses_grow(server: Loopback) -> None:
    server.behaviours["x"] = reply(b"busy", 503)
    pauses: list[float] = []
    place = fetch_from(server, attempts=3, sleep=pauses.append)
    assert (place.outcome, place.body, len(server.received)) == ("http_error", b"busy", 3)
    assert place.detail == "HTTP 503; attempt 3 of 3"
    assert [0.25 <= pauses[0] <= 0.5, 0.5 <= pauses[1] <= 1] == [True, True]


def test_fetch__permanent_fault_is_not_retried(server: Loopback) -> None:
    server.behaviours["x"] = reply(b"", 404)
    assert fetch_from(server, attempts=3).outcome == "http_error"
    assert len(server.received) == 1


def test_fetch__retry_after_is_honoured(server: Loopback) -> None:
    noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
    date = format_datetime(noon + timedelta(seconds=3), usegmt=True)
    past = format_datetime(noon - timedelta(seconds=3), usegmt=True)
    busy = [reply(b"", 429, Retry_After=after) for after in ("2", date, past, "soon", "-7")]
    server.behaviours["x"] = sequence(*busy, reply())
    pauses: list[float] = []
    limits = {"attempts": 6, "place_timeout_s": 60, "budget_s": 60}
    place = fetch_from(server, sleep=pauses.append, now=lambda: noon, **limits)
    assert (place.outcome, len(server.received)) == ("ok", 6)
    assert pauses[:2] == [2, 3]
    assert all(0 < pause <= 8 for pause in pauses[2:])


def test_fetch__retry_after_beyond_the_deadline_is_not_awaited(server: Loopback) -> None:
    server.behaviours["x"] = reply(b"later", 429, Retry_After=3600)
    began = time.monotonic()
    place = fetch_from(server, attempts=3)
    assert time.monotonic() - began < 15
    assert (place.outcome, place.body, len(server.received)) == ("http_error", b"later", 1)


def test_fetch__reset_and_refused_connections_are_errors(server: Loopback) -> None:
    server.behaviours["x"] = loopback.reset()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        refused = fetch_from(server, url=f"http://127.0.0.1:{closed.getsockname()[1]}/?key=s3cret")
    assert fetch_from(server).outcome == refused.outcome == "connection_error"
    assert refused.detail == "ConnectionRefusedError: Connection refused"


def test_fetch__cookies_are_not_kept(server: Loopback) -> None:
    server.behaviours["x"] = sequence(reply(b"", 503, Set_Cookie="a=b; Path=/"), reply())
    assert fetch_from(server, attempts=2, sleep=lambda _: None).outcome == "ok"
    assert "Cookie" not in server.received[1].headers

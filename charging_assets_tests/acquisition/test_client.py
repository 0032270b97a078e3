"""The client against a real server on loopback: what it accepts, and what it survives."""

from __future__ import annotations

import gzip
import ipaddress
import socket
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from charging_assets.acquisition.archive import Place
from charging_assets.acquisition.client import fetch
from charging_assets.acquisition.connections import Session
from charging_assets_tests.acquisition import loopback
from charging_assets_tests.acquisition.loopback import OK, Loopback, in_turn, redirect, reply

LATE_S = 0.4
# For a machine that does other things too.
SLACK_S = 1.0


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


def ask(server: Loopback, path: str = "x", url: str | None = None, **settings: Any) -> Place:
    limits = {"place_timeout_s": 5, "max_body_bytes": 10_000_000, "attempts": 1}
    deadline = time.monotonic() + settings.pop("budget_s", 20)
    with Session("test/1", 4) as session:
        asked = url or f"{server.url}/{path}"
        return fetch(session, asked, slug="x", deadline=deadline, **{**limits, **settings})


def test_fetch__good_answer_is_kept_verbatim(server: Loopback) -> None:
    before = datetime.now(UTC)
    server.behaviours["x"] = reply(OK, delay_s=0.05)
    place = ask(server)
    assert (place.outcome, place.http_status, place.body, place.detail) == ("ok", 200, OK, None)
    assert place.requested_at is not None and before <= place.requested_at <= datetime.now(UTC)
    assert place.elapsed_ms is not None and 50 <= place.elapsed_ms < 2000
    assert server.seen[0].headers["User-Agent"] == "test/1"
    # What cannot be inflated step by step is not asked for.
    assert server.seen[0].headers["Accept-Encoding"] == "gzip, deflate"


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(OK * 5000)),
        ("GZIP", gzip.compress(OK * 2500) + gzip.compress(OK * 2500)),
        ("x-gzip", gzip.compress(OK * 5000) + b"trailing rubbish"),
        ("deflate", zlib.compress(OK * 5000)),
        ("deflate", _raw_deflate(OK * 5000)),
        ("identity", OK * 5000),
    ],
)
def test_fetch__known_encoding_is_decoded(server: Loopback, encoding: str, packed: bytes) -> None:
    server.behaviours["x"] = reply(packed, Content_Encoding=encoding)
    place = ask(server)
    assert (place.outcome, place.body) == ("ok", OK * 5000)


# With 65,540 the output is full when the input is all taken, and something is left inside.
@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 65_540, 131_072, 1_000_000])
def test_fetch__compressed_body_of_any_size_is_whole(server: Loopback, size: int) -> None:
    body = b"a" * size
    server.behaviours["x"] = reply(gzip.compress(body), Content_Encoding="gzip")
    server.behaviours["y"] = reply(_raw_deflate(body), Content_Encoding="deflate")
    assert [(place.outcome, place.body) for place in (ask(server), ask(server, "y"))] == [
        ("ok", body),
        ("ok", body),
    ]


@pytest.mark.parametrize("packed", [gzip.compress(OK) + gzip.compress(OK), zlib.compress(OK * 2)])
def test_fetch__body_in_chunks_of_one_byte_is_whole(server: Loopback, packed: bytes) -> None:
    encoding = "gzip" if packed[:1] == b"\x1f" else "deflate"

    def behave(handler: loopback.Handler) -> None:
        handler.begin(Transfer_Encoding="chunked", Content_Encoding=encoding)
        for byte in (*packed, None):
            handler.chunk(b"" if byte is None else bytes([byte]))

    server.behaviours["x"] = behave
    place = ask(server)
    assert (place.outcome, place.body) == ("ok", OK * 2)


@pytest.mark.parametrize("status", [204, 206, 304, 400, 403, 404, 500])
def test_fetch__http_error_keeps_its_status(server: Loopback, status: int) -> None:
    has_body = status not in {204, 304}
    server.behaviours["x"] = reply(b"no" if has_body else b"", status)
    place = ask(server)
    assert (place.outcome, place.http_status) == ("http_error", status)
    assert (place.body, place.detail) == (b"no" if has_body else b"", f"HTTP {status}")


@pytest.mark.fault(
    "HTML, a truncated answer, or one of another schema",
    "what came is kept byte for byte, named, and costs no other answer",
    area="answers",
)
def test_fetch__html_with_200_is_ok_for_the_transport(server: Loopback) -> None:
    server.behaviours["x"] = loopback.html()
    assert (ask(server).outcome, ask(server).body) == ("ok", loopback.HTML)


@pytest.mark.fault(
    "HTML, a truncated answer, or one of another schema",
    area="answers",
)
@pytest.mark.parametrize(
    ("behaviour", "kept"),
    [
        (loopback.truncated(), OK),
        (loopback.truncated_chunks(), OK),
        (loopback.broken_chunks(), OK),
        (loopback.truncated_gzip(OK), None),
    ],
    ids=["content_length", "chunks", "broken_chunks", "gzip"],
)
def test_fetch__truncated_body_is_kept_and_said(
    server: Loopback, behaviour: loopback.Behaviour, kept: bytes | None
) -> None:
    server.behaviours["x"] = behaviour
    place = ask(server)
    assert (place.outcome, place.http_status) == ("truncated", 200)
    assert place.body is not None and place.body and OK.startswith(place.body)
    assert kept is None or place.body == kept


@pytest.mark.parametrize(
    ("encoding", "body"), [("br", b"\x0b\x02\x80"), ("gzip", OK), ("gzip, gzip", b"x")]
)
def test_fetch__encoding_not_asked_for_is_kept_as_received(
    server: Loopback, encoding: str, body: bytes
) -> None:
    server.behaviours["x"] = reply(body, Content_Encoding=encoding)
    place = ask(server)
    assert (place.outcome, place.body) == ("bad_encoding", body)


@pytest.mark.fault(
    "An answer that drips, a byte at a time",
    "it is cut off when its time is over, and so is the poll",
    area="answers",
)
@pytest.mark.parametrize(
    "behaviour",
    [loopback.drip_body(), loopback.drip_headers(), loopback.silence()],
    ids=["drip_body", "drip_headers", "silence"],
)
@pytest.mark.parametrize("is_budget", [False, True])
def test_fetch__slow_answer_is_cut_off_in_time(
    server: Loopback, behaviour: loopback.Behaviour, is_budget: bool
) -> None:
    server.behaviours["x"] = behaviour
    began = time.monotonic()
    place = ask(server, attempts=3, **{"budget_s" if is_budget else "place_timeout_s": LATE_S})
    assert LATE_S <= time.monotonic() - began < LATE_S + SLACK_S
    assert place.outcome == ("over_budget" if is_budget else "timeout")
    assert server.paths() == ["/x"]


def test_fetch__slow_answer_on_a_reused_connection_is_cut_off(server: Loopback) -> None:
    server.behaviours["slow"] = loopback.drip_headers()
    with Session("test/1", 4) as session:
        began = time.monotonic()
        outcomes = [
            fetch(
                session,
                f"{server.url}/{path}",
                slug=path,
                place_timeout_s=LATE_S,
                max_body_bytes=1000,
                attempts=1,
                deadline=began + 10,
            ).outcome
            for path in ("quick", "slow", "quick")
        ]
    assert outcomes == ["ok", "timeout", "ok"]
    assert time.monotonic() - began < LATE_S + SLACK_S


@pytest.mark.fault(
    "A hundred megabytes, or a gzip bomb",
    "the answer is too large, and memory stays below 64 MB with four of them at once",
    area="answers",
)
@pytest.mark.parametrize(
    "behaviour",
    [
        loopback.gzip_bomb(64),
        loopback.gzip_bomb(64, 500),
        loopback.large(20),
        loopback.large(20, is_declared=False),
    ],
    ids=["bomb", "bomb_500", "declared", "chunked"],
)
def test_fetch__body_beyond_the_cap_is_too_large(
    server: Loopback, behaviour: loopback.Behaviour
) -> None:
    server.behaviours["x"] = behaviour
    place = ask(server)
    assert (place.outcome, place.body) == ("too_large", None)


def test_fetch__body_of_exactly_the_cap_is_ok(server: Loopback) -> None:
    server.behaviours["x"] = reply(gzip.compress(b"a" * 100_000), Content_Encoding="gzip")
    assert ask(server, max_body_bytes=100_000).outcome == "ok"
    assert ask(server, max_body_bytes=99_999).outcome == "too_large"


@pytest.mark.fault(
    "A redirect to 169.254.169.254, to http, to a file",
    "it is refused, and nobody else is asked",
    area="security",
)
@pytest.mark.parametrize(
    "location",
    [
        "http://localhost:{port}/secret?key=s3cret",
        "https://127.0.0.1:{port}/secret",
        "http://127.0.0.1:1/secret",
        "//localhost:{port}/secret",
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:{port}@169.254.169.254/",
        "file:///etc/passwd",
        "http://[::1",
    ],
)
def test_fetch__redirect_elsewhere_is_refused_unasked(
    server: Loopback, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = _connections_made(monkeypatch)
    server.behaviours["x"] = redirect(location.format(port=server.port))
    place = ask(server, attempts=3)
    assert (place.outcome, place.http_status) == ("redirect_refused", 302)
    assert server.paths() == ["/x"]
    assert made == [("127.0.0.1", server.port)]
    assert "s3cret" not in str(place.detail) and "/" not in str(place.detail).split("//")[-1]


def test_fetch__redirect_on_the_same_origin_is_followed(server: Loopback) -> None:
    server.behaviours["x"] = redirect("/a?b=c", 308)
    server.behaviours["a"] = redirect(f"{server.url}/end", 301)
    place = ask(server)
    assert (place.outcome, place.http_status, place.body) == ("ok", 200, OK)
    assert server.paths() == ["/x", "/a?b=c", "/end"]


def test_fetch__credentials_in_a_redirect_are_not_used(server: Loopback) -> None:
    server.behaviours["x"] = redirect(f"http://user:pass@127.0.0.1:{server.port}/end")
    assert ask(server).outcome == "ok"
    assert "Authorization" not in server.seen[1].headers


def test_fetch__redirects_without_end_are_refused(server: Loopback) -> None:
    server.behaviours["x"] = redirect("/x")
    assert ask(server).outcome == "redirect_refused"
    assert len(server.seen) == 4


@pytest.mark.fault(
    "A hundred megabytes, or a gzip bomb",
    area="answers",
)
def test_fetch__bomb_behind_a_redirect_is_never_inflated(server: Loopback) -> None:
    server.behaviours["x"] = loopback.gzip_bomb(128, 302, Location="http://localhost:1/")
    tracemalloc.start()
    try:
        assert ask(server).outcome == "redirect_refused"
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("first", [reply(b"", 503), reply(b"", 429), loopback.reset()])
def test_fetch__passing_fault_is_tried_again(server: Loopback, first: loopback.Behaviour) -> None:
    server.behaviours["x"] = in_turn(first, reply())
    pauses: list[float] = []
    place = ask(server, attempts=3, sleep=pauses.append)
    assert (place.outcome, place.detail, len(server.seen)) == ("ok", None, 2)
    assert len(pauses) == 1 and 0.25 <= pauses[0] <= 0.5


def test_fetch__attempts_end_and_pauses_grow(server: Loopback) -> None:
    server.behaviours["x"] = reply(b"busy", 503)
    pauses: list[float] = []
    place = ask(server, attempts=3, sleep=pauses.append)
    assert (place.outcome, place.body, len(server.seen)) == ("http_error", b"busy", 3)
    assert place.detail == "HTTP 503; attempt 3 of 3"
    assert [0.25 <= pauses[0] <= 0.5, 0.5 <= pauses[1] <= 1] == [True, True]


def test_fetch__lasting_fault_is_not_tried_again(server: Loopback) -> None:
    server.behaviours["x"] = reply(b"", 404)
    assert ask(server, attempts=3).outcome == "http_error"
    assert len(server.seen) == 1


def test_fetch__retry_after_is_honoured(server: Loopback) -> None:
    noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
    date = format_datetime(noon + timedelta(seconds=3), usegmt=True)
    past = format_datetime(noon - timedelta(seconds=3), usegmt=True)
    busy = [reply(b"", 429, Retry_After=after) for after in ("2", date, past, "soon", "-7")]
    server.behaviours["x"] = in_turn(*busy, reply())
    pauses: list[float] = []
    patient = {"attempts": 6, "place_timeout_s": 60, "budget_s": 60}
    place = ask(server, sleep=pauses.append, now=lambda: noon, **patient)
    assert (place.outcome, len(server.seen)) == ("ok", 6)
    assert pauses[:2] == [2, 3]
    assert all(0 < pause <= 8 for pause in pauses[2:])


def test_fetch__retry_after_beyond_the_deadline_is_not_awaited(server: Loopback) -> None:
    server.behaviours["x"] = reply(b"later", 429, Retry_After=3600)
    began = time.monotonic()
    place = ask(server, attempts=3)
    assert time.monotonic() - began < 1
    assert (place.outcome, place.body, len(server.seen)) == ("http_error", b"later", 1)


def test_fetch__reset_and_refused_connections_are_errors(server: Loopback) -> None:
    server.behaviours["x"] = loopback.reset()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        refused = ask(server, url=f"http://127.0.0.1:{closed.getsockname()[1]}/?key=s3cret")
    assert ask(server).outcome == refused.outcome == "connection_error"
    assert refused.detail == "ConnectionRefusedError: Connection refused"


@pytest.mark.fault(
    "A TLS certificate that nobody vouches for",
    "the answer is refused, also where the environment says otherwise",
    area="security",
)
def test_fetch__unvouched_certificate_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = _self_signed(tmp_path)
    # A bundle of the environment verifies even where the session would not.
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with Loopback(certificate) as server, Session("test/1", 1) as session:
        session.verify = False  # Not even this turns it off.
        limits: dict[str, Any] = {"place_timeout_s": 5, "max_body_bytes": 1000, "attempts": 1}
        place = fetch(session, f"{server.url}/x", slug="x", deadline=time.monotonic() + 9, **limits)
        assert (place.outcome, server.seen) == ("connection_error", [])
        assert place.detail == "TLS: self-signed certificate"
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
        assert ask(server).outcome == "ok"
        server.behaviours["slow"] = loopback.drip_headers()
        assert ask(server, "slow", place_timeout_s=LATE_S).outcome == "timeout"
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "absent.pem"))
        missing = ask(server)
        assert missing.outcome == "connection_error" and "absent.pem" in str(missing.detail)


def test_fetch__proxy_of_the_environment_is_used_but_not_for_loopback(
    server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert ask(server, url="http://feed.invalid/x").outcome == "ok"
    assert ask(server).outcome == "ok"
    assert server.paths() == ["http://feed.invalid/x", "/x"]


def test_fetch__cookies_are_not_kept(server: Loopback) -> None:
    server.behaviours["x"] = in_turn(reply(b"", 503, Set_Cookie="a=b; Path=/"), reply())
    assert ask(server, attempts=2, sleep=lambda _: None).outcome == "ok"
    assert "Cookie" not in server.seen[1].headers


def _connections_made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The addresses that this process connects to from now on; they are really connected to."""
    made: list[Any] = []
    connect = socket.socket.connect

    def connect_and_tell(self: socket.socket, address: Any) -> None:
        made.append(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_and_tell)
    return made


def _self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate that nobody vouches for, and its key, as PEM files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    host = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([host]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths

"""Which hosts the client connects to: redirects, certificates, proxies."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from charging_assets.acquisition.http_client import Limits, fetch
from charging_assets.acquisition.http_session import Session
from charging_assets_tests.acquisition import loopback
from charging_assets_tests.acquisition.client_calls import LATE_S, fetch_from
from charging_assets_tests.acquisition.loopback import OK, Loopback, redirect


@pytest.mark.fault(
    "A redirect to 169.254.169.254, to http, to a file",
    "it is refused, and no request is sent to the target",
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
def test_fetch__redirect_to_another_origin_is_refused_without_a_request(
    server: Loopback, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = _record_connections(monkeypatch)
    server.behaviours["x"] = redirect(location.format(port=server.port))
    place = fetch_from(server, attempts=3)
    assert (place.outcome, place.http_status) == ("redirect_refused", 302)
    assert server.paths() == ["/x"]
    assert connections == [("127.0.0.1", server.port)]
    assert "s3cret" not in str(place.detail) and "/" not in str(place.detail).split("//")[-1]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 302 Found\r\nLocation: http://\x1bcFAKE\x07/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://a\xe2\x80\xaeb/\r\nContent-Length: 0\r\n\r\n",
        b"\x1b[31mno HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: \x1b[31m\r\n\r\n",
    ],
)
def test_fetch__detail_has_no_control_character(answer: bytes) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with Session("test/1", 1) as session:
            place = fetch(
                session,
                f"http://127.0.0.1:{listening.getsockname()[1]}/x",
                slug="x",
                limits=Limits(
                    place_timeout_s=5,
                    max_body_bytes=1000,
                    attempts=1,
                    deadline=time.monotonic() + 10,
                ),
            ).place
        thread.join(5)
    assert (place.detail or "").isprintable()


def test_fetch__redirect_on_the_same_origin_is_followed(server: Loopback) -> None:
    server.behaviours["x"] = redirect("/a?b=c", 308)
    server.behaviours["a"] = redirect(f"{server.url}/end", 301)
    place = fetch_from(server)
    assert (place.outcome, place.http_status, place.body) == ("ok", 200, OK)
    assert server.paths() == ["/x", "/a?b=c", "/end"]


def test_fetch__credentials_in_a_redirect_are_not_used(server: Loopback) -> None:
    server.behaviours["x"] = redirect(f"http://user:pass@127.0.0.1:{server.port}/end")
    assert fetch_from(server).outcome == "ok"
    assert "Authorization" not in server.received[1].headers


def test_fetch__endless_redirects_are_refused(server: Loopback) -> None:
    server.behaviours["x"] = redirect("/x")
    assert fetch_from(server).outcome == "redirect_refused"
    assert len(server.received) == 4


@pytest.mark.fault(
    "A body of 100 MB, or a gzip bomb",
    area="answers",
)
def test_fetch__bomb_in_a_redirect_is_not_decompressed(server: Loopback) -> None:
    server.behaviours["x"] = loopback.gzip_bomb(128, 302, Location="http://localhost:1/")
    tracemalloc.start()
    try:
        assert fetch_from(server).outcome == "redirect_refused"
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.fault(
    "An untrusted TLS certificate",
    "the response is refused, even if verification is turned off",
    area="security",
)
def test_fetch__untrusted_certificate_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    # A bundle from the environment would enable verification even where the session disables it.
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with Loopback(certificate) as server, Session("test/1", 1) as session:
        session.verify = False  # must have no effect
        limits = Limits(
            place_timeout_s=5, max_body_bytes=1000, attempts=1, deadline=time.monotonic() + 9
        )
        place = fetch(session, f"{server.url}/x", slug="x", limits=limits).place
        assert (place.outcome, server.received) == ("connection_error", [])
        assert place.detail == "TLS: self-signed certificate"
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
        assert fetch_from(server).outcome == "ok"
        server.behaviours["slow"] = loopback.drip_headers()
        assert fetch_from(server, "slow", place_timeout_s=LATE_S).outcome == "timeout"
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "absent.pem"))
        missing = fetch_from(server)
        assert missing.outcome == "connection_error" and "absent.pem" in str(missing.detail)


def test_fetch__proxy_of_the_environment_is_used_but_not_for_loopback(
    server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert fetch_from(server, url="http://feed.invalid/x").outcome == "ok"
    assert fetch_from(server).outcome == "ok"
    assert server.paths() == ["http://feed.invalid/x", "/x"]


def _record_connections(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A list to which the address of each new connection of this process is added."""
    addresses: list[Any] = []
    connect = socket.socket.connect

    def connect_and_record(self: socket.socket, address: Any) -> None:
        addresses.append(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_and_record)
    return addresses


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate and its key, as PEM files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

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


def test_fetch__archives_the_listed_headers_only() -> None:
    def answer(handler: loopback.Handler) -> None:
        handler.begin(ETag='"1"', Set_Cookie="s3cret", Content_Type="a/b", Content_Length=2)
        handler.wfile.write(b"{}")

    with Loopback() as server:
        server.behaviours["koeln"] = answer
        place = fetch_from(server, url=f"{server.url}/koeln")
    assert sorted(place.headers) == ["Content-Type", "Date", "ETag"]
    assert (place.headers["ETag"], place.headers["Content-Type"]) == ('"1"', "a/b")

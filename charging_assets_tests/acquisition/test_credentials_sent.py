"""Where a feed's token goes: to its own host, and nowhere else, whatever the server does."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import zstandard

from charging_assets import definitions, deployments
from charging_assets.acquisition.poll import poll
from charging_assets.acquisition.poll_hour import current_hour, poll_hour
from charging_assets.archive.missed_slots import missed_slots
from charging_assets.archive.raw_objects import PlaceResponse
from charging_assets.lake.memory import MemoryLake
from charging_assets.sources.credentials import Credentials
from charging_assets.sources.feeds import Feed
from charging_assets_tests.acquisition import loopback, paged_kind
from charging_assets_tests.acquisition.loopback import Handler, Loopback, reply
from charging_assets_tests.acquisition.test_http_client_trust import self_signed
from charging_assets_tests.acquisition.test_place_poll import feed

TOKEN = "s3cret+T0ken/1234=="
VARIABLE = "A_TOKEN_OF_TESTS"
TOKEN_FEED = Credentials(token_env=VARIABLE, scheme="Token")
PAGE = b'{"data": []}'


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, TOKEN)


def secret_feed(server: Loopback, *places: str, **settings: Any) -> Feed:
    return feed(server, *places, **{"credentials": TOKEN_FEED, **settings})


def test_poll__the_token_is_sent_to_the_feeds_own_host(server: Loopback) -> None:
    server.behaviours["links"] = loopback.Pages([{"id": n} for n in range(4)], "links")
    poll(secret_feed(server, "links"))
    sent = [request.headers["Authorization"] for request in server.received]
    assert sent == [f"Token {TOKEN}"] * 2


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({"header": "X-Api-Key", "scheme": ""}, {"X-Api-Key": TOKEN}),
        ({}, {"Authorization": f"Bearer {TOKEN}"}),
    ],
)
def test_poll__header_and_scheme_are_settings(
    server: Loopback, settings: dict[str, str], header: Mapping[str, str]
) -> None:
    server.behaviours["whole"] = reply(PAGE)
    poll(secret_feed(server, "whole", credentials=Credentials(token_env=VARIABLE, **settings)))
    received = server.received[0].headers
    assert {name: received[name] for name in header} == header


def test_poll__a_password_of_netrc_does_not_replace_the_token(
    server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.behaviours["whole"] = reply(PAGE)
    poll(secret_feed(server, "whole"))
    assert server.received[0].headers["Authorization"] == f"Token {TOKEN}"


@pytest.mark.fault(
    "A redirect or a page link leads to another host",
    "the token is not sent there unless the feed lists the host",
    area="security",
)
@pytest.mark.parametrize("is_listed", [False, True])
@pytest.mark.parametrize("is_redirect", [False, True])
def test_poll__the_token_follows_to_listed_hosts_only(
    server: Loopback, is_listed: bool, is_redirect: bool
) -> None:
    with Loopback() as other:
        other.behaviours["more"] = reply(b'{"data": [], "n": 2}')
        host, address = f"localhost:{other.port}", f"http://localhost:{other.port}/more"
        server.behaviours["links"] = (
            loopback.redirect(address)
            if is_redirect
            else reply(PAGE, Link=f'<{address}>; rel="next"')
        )
        credentials = Credentials(token_env=VARIABLE, send_to=(host,) if is_listed else ())
        _, places = poll(secret_feed(server, "links", allow_hosts=(host,), credentials=credentials))
        assert {place.outcome for place in places} == {"ok"}
        assert [("Authorization" in request.headers) for request in other.received] == [is_listed]
        assert "Authorization" in server.received[0].headers


def test_poll__a_missing_token_fails_the_feed_before_any_request(
    server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE)
    lake = MemoryLake()
    feeds = {"test": secret_feed(server, "whole"), "b": feed(server, "whole", name="b")}
    server.behaviours["whole"] = reply(PAGE)
    report = poll_hour(lake, feeds, current_hour(), poller=poll)
    assert f"MissingCredential: {VARIABLE} is not set" in report.failed_feeds["test"]
    assert len(server.received) == 1 and len(report.written) == 1
    assert missed_slots(lake) == []


def _echo(make: Callable[[str], loopback.Behaviour]) -> loopback.Behaviour:
    """A behaviour made from the token that the request sent."""

    def behave(handler: Handler) -> None:
        sent = handler.headers.get("Authorization", "").removeprefix("Token ")
        make(sent)(handler)

    return behave


def _raw(text: Callable[[str], str]) -> Callable[[str], loopback.Behaviour]:
    def make(sent: str) -> loopback.Behaviour:
        def behave(handler: Handler) -> None:
            handler.wfile.write(text(sent).encode())
            handler.close_connection = True

        return behave

    return make


ECHOES = {
    "whole-headers": lambda sent: reply(
        PAGE, ETag=f'"{sent}"', Last_Modified=sent, Content_Type=f"text/{sent}", X_Any=sent
    ),
    "whole-redirect": lambda sent: loopback.redirect(f"/whole?t={sent}", body=b"moved"),
    "whole-quoted": lambda sent: loopback.redirect(f"/whole?t={sent.replace('+', '%2B')}"),
    "whole-host": lambda sent: loopback.redirect(f"https://{sent}.example/"),
    "whole-user": lambda sent: loopback.redirect(f"https://{sent}@files.example/"),
    "links-next": lambda sent: reply(PAGE, Link=f'</links?q={sent}>; rel="next"'),
    "links-path": lambda sent: reply(PAGE, Link=f'</{sent}/x>; rel="next"'),
    "whole-line": _raw(lambda sent: f"HTTP/1.1 {sent} {sent}\r\n\r\n"),
    "whole-malformed": _raw(
        lambda sent: f"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{sent}\r\nX: {sent}\r\n\r\n{{}}"
    ),
    "whole-version": _raw(lambda sent: f"{sent}\r\n\r\n"),
}


@pytest.mark.fault(
    "The server echoes the token in headers, redirects, links or invalid HTTP",
    "it is in no outcome, URL, header, log, event or page",
    area="security",
)
def test_poll__an_echoed_token_is_archived_and_logged_nowhere(
    server: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.behaviours |= {name: _echo(make) for name, make in ECHOES.items()}
    _, places = poll(secret_feed(server, *ECHOES))
    assert len(server.received) >= len(ECHOES)
    for place in places:
        assert TOKEN not in repr(place) and "s3cret" not in repr(place), place
    assert "s3cret" not in caplog.text
    assert {place.slug for place in places if place.outcome == "redirect_refused"} == {
        "whole-redirect", "whole-quoted", "whole-host", "whole-user",
    }  # fmt: skip
    assert [place.outcome for place in places if place.slug.startswith("links")] == [
        "ok", "link_refused", "ok", "link_refused",
    ]  # fmt: skip


@pytest.mark.parametrize("is_bad_body", [True, False])
def test_poll__an_error_of_the_kind_that_quotes_a_body_is_redacted(
    server: Loopback,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    is_bad_body: bool,
) -> None:
    from charging_assets.sources import BadBody

    def read_ids(body: bytes) -> list[str]:
        text = body.decode()
        raise BadBody("api_status", text * 20) if is_bad_body else ValueError(text)

    monkeypatch.setattr(paged_kind, "json_ids", lambda *_: read_ids)
    server.behaviours["links"] = _echo(lambda sent: reply(f"x{sent}".encode()))
    _, places = poll(secret_feed(server, "links"))
    assert TOKEN.encode() in (places[0].body or b""), "bodies are archived verbatim"
    assert all("s3cret" not in (place.detail or "") for place in places)
    assert "s3cret" not in caplog.text


def _contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder by name, raw objects decompressed."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            if path.suffix == ".zst":
                content += zstandard.ZstdDecompressor().decompressobj().decompress(content)
            found[str(path.relative_to(folder))] = content
    return found


def test_poll_run__the_token_is_in_no_file_of_the_home_and_in_no_output(
    server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.behaviours |= {name: _echo(make) for name, make in ECHOES.items()}
    server.behaviours["whole"] = reply(PAGE)
    home, dagster_home = tmp_path / "home", tmp_path / "dagster"
    dagster_home.mkdir()
    places = [*ECHOES, "whole"]
    feeds_file = tmp_path / "feeds.toml"
    feeds_file.write_text(
        "[feeds.chargecloud]\nenabled = false\n"
        f'[feeds.test]\nkind = "{paged_kind.NAME}"\nbase_url = "{server.url}"\n'
        f"places = {json.dumps(places)}\nplace_timeout_s = 10\nattempts = 1\n"
        f'[feeds.test.credentials]\ntoken_env = "{VARIABLE}"\nscheme = "Token"\n'
    )
    environment = {"CHARGING_HOME": str(home), "CHARGING_FEEDS": str(feeds_file)}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    storage = deployments.storage()
    feeds = {"test": secret_feed(server, *places)}
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        result = (
            definitions.build(storage, feeds=feeds)
            .resolve_job_def("poll")
            .execute_in_process(
                instance=instance,
                partition_key=current_hour().key,
                run_config={"ops": {"raw_api_snapshots": {"config": {"live": True}}}},
            )
        )
        assert result.success
    assert len(server.received) >= len(places)
    files = _contents(home) | _contents(dagster_home)
    assert any(name.endswith(".zst") for name in files)
    assert any(name.endswith(".db") for name in files)
    for name, content in files.items():
        assert b"s3cret" not in content, name
    for command in ("status", "doctor"):
        program = [sys.executable, "-m", "charging_assets.cli", command, "--json"]
        run = subprocess.run(
            program, capture_output=True, text=True, env={**os.environ, **environment}, check=False
        )
        assert run.stdout.lstrip()[:1] in "[{", run.stderr
        assert "s3cret" not in run.stdout + run.stderr


def test_doctor__names_the_variable_that_is_missing(
    server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from charging_assets.cli.doctor_checks import findings

    feeds_file = tmp_path / "feeds.toml"
    feeds_file.write_text(
        f'[feeds.lt]\nkind = "chargecloud"\nbase_url = "{server.url}"\nplaces = ["a"]\n'
        f'[feeds.lt.credentials]\ntoken_env = "{VARIABLE}"\n'
    )
    monkeypatch.setenv("CHARGING_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CHARGING_FEEDS", str(feeds_file))
    found = {finding.check: finding for finding in findings()}["feeds"]
    assert (found.state, VARIABLE in found.message) == ("ok", False)
    monkeypatch.delenv(VARIABLE)
    found = {finding.check: finding for finding in findings()}["feeds"]
    assert found.state == "warning" and f"lt lacks {VARIABLE}" in found.message
    assert VARIABLE in found.remedy


def test_poll__a_client_certificate_is_presented_to_the_feeds_own_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    monkeypatch.setenv("A_CERTIFICATE", str(certificate))
    monkeypatch.setenv("A_KEY", str(key))
    credentials = Credentials(client_certificate_env="A_CERTIFICATE", client_key_env="A_KEY")
    with Loopback((certificate, key), client_certificate=certificate) as server:
        server.behaviours["whole"] = reply(PAGE)
        _, without = poll(feed(server, "whole"))
        _, with_certificate = poll(feed(server, "whole", credentials=credentials))
    assert [place.outcome for place in without] == ["connection_error"]
    assert [place.outcome for place in with_certificate] == ["ok"]


@pytest.mark.fault(
    "An allowed host resolves to a private address",
    "the connection is closed before anything is sent",
    area="security",
)
@pytest.mark.parametrize("is_link", [True, False])
def test_poll__an_allowed_host_with_a_private_address_is_refused(
    server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_link: bool
) -> None:
    certificate = self_signed(tmp_path)
    resolve = socket.getaddrinfo

    def resolve_to_loopback(host: Any, *args: Any, **kwargs: Any) -> Any:
        return resolve("127.0.0.1" if host == "files.example" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_to_loopback)
    with Loopback(certificate) as other:
        address = f"https://files.example:{other.port}/x"
        link = reply(PAGE, Link=f'<{address}>; rel="next"')
        server.behaviours["links"] = link if is_link else loopback.redirect(address)
        hosts = (f"files.example:{other.port}",)
        _, places = poll(secret_feed(server, "links", allow_hosts=hosts))
        assert (places[-1].outcome, other.received) == ("redirect_refused", [])
        assert "has a private address" in (places[-1].detail or "")


def test_part__repr_of_a_response_is_what_the_tests_look_at() -> None:
    """`repr` shows every field, so that the tests above cannot pass by an omission."""
    part = PlaceResponse(slug="s3cret", outcome="ok", headers={"ETag": "s3cret2"}, url="s3cret3")
    assert repr(part).count("s3cret") == 3

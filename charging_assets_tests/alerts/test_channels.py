"""Alerts are delivered over HTTP and SMTP on loopback; addresses are validated and kept secret."""

from __future__ import annotations

import json

import pytest

from charging_assets.alerts.channels import (
    Channel,
    NotDelivered,
    channel,
    deliver,
    escape_mrkdwn,
)
from charging_assets.alerts.heartbeat import beat
from charging_assets.settings import AddressError, Settings
from charging_assets_tests.alerts.receivers import HttpReceiver, MailReceiver


def channels(addresses: str) -> list[Channel]:
    return [channel(address) for address in Settings.read({"CHARGING_ALERTS": addresses}).alerts]


def test_deliver__reaches_webhook_and_mail() -> None:
    with HttpReceiver() as hook, MailReceiver() as mail:
        selected = channels(
            f"{hook.url}/services/T0/secret "
            f"smtp://127.0.0.1:{mail.port}/?to=ops@example.org,night@example.org&from=us@example.org"
        )
        assert deliver(selected, "load_hour failed", "- the reason: ü\n.\n- and more") == {}
    ((method, path, body),) = hook.received
    assert (method, path) == ("POST", "/services/T0/secret")
    assert json.loads(body) == {"text": "*load_hour failed*\n- the reason: ü\n.\n- and more"}
    ((recipients, message),) = mail.received
    assert recipients == ["ops@example.org", "night@example.org"]
    assert (message["Subject"], message["From"]) == ("load_hour failed", "us@example.org")
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode().splitlines() == ["- the reason: ü", ".", "- and more"]


@pytest.mark.parametrize(
    ("text", "webhook"),
    [
        ("<!channel>", "&lt;!channel&gt;"),
        ("<https://evil.example|sign in>", "&lt;https://evil.example|sign in&gt;"),
        ("&lt;", "&amp;lt;"),
        ("@here [a](https://evil.example)", "@\u200bhere [a]\u200b(https://evil.example)"),
    ],
)
def test_deliver__escaped_markup_is_plain_text_in_every_channel(text: str, webhook: str) -> None:
    with HttpReceiver() as hook, MailReceiver() as mail:
        selected = channels(f"{hook.url}/x smtp://127.0.0.1:{mail.port}/?to=ops@example.org")
        assert deliver(selected, "s", escape_mrkdwn(text)) == {}
    assert json.loads(hook.received[0][2])["text"] == f"*s*\n{webhook}"
    payload = mail.received[0][1].get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode().strip() == text


def test_deliver__one_dead_channel_does_not_stop_the_other() -> None:
    with HttpReceiver() as hook:
        errors = deliver(channels(f"http://127.0.0.1:1/secret {hook.url}/x"), "s", "t")
        assert len(hook.received) == 1
    assert errors == {"1: webhook": "ConnectionError"}


@pytest.mark.parametrize("status", [302, 404, 500])
def test_deliver__failure_of_all_channels_is_an_error_without_secrets(status: int) -> None:
    with HttpReceiver() as hook:
        hook.status = status
        with pytest.raises(NotDelivered, match=f"HTTP {status}") as error:
            deliver(channels(f"{hook.url}/services/secret"), "s", "t")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "addresses",
    [
        "http://hooks.example.org/secret",
        "ftp://example.org/secret",
        "hooks.example.org/secret",
        "https://[secret",
        "https://",
    ],
)
def test_addresses__invalid_ones_are_refused_and_kept_secret(addresses: str) -> None:
    with pytest.raises(AddressError, match=r"CHARGING_ALERTS.*https://host") as error:
        channels(addresses)
    assert "secret" not in str(error.value)


def test_addresses__mail_server_needs_a_recipient() -> None:
    with pytest.raises(AddressError, match=r"\?to="):
        channels("smtps://user:secret@mail.example.org")


def test_addresses__empty_is_off() -> None:
    assert channels(" ") == []
    assert Settings.read({}).heartbeat_url is None


def test_beat__calls_the_url_or_returns_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHARGING_HEARTBEAT_URL", raising=False)
    assert beat() is None
    with HttpReceiver() as watcher:
        monkeypatch.setenv("CHARGING_HEARTBEAT_URL", f"{watcher.url}/ping/abc")
        assert beat() is None
        assert watcher.received == [("GET", "/ping/abc", b"")]
        watcher.status = 503
        assert beat() == "HTTP 503"
    assert beat() == "ConnectionError"

"""Alerts arrive, over HTTP and SMTP on loopback; addresses are checked and never told."""

from __future__ import annotations

import json

import pytest

from charging_assets.alerts.addresses import AddressError, alert_addresses, heartbeat_address
from charging_assets.alerts.channels import (
    Channel,
    NotDelivered,
    channel,
    deliver,
    escape_mrkdwn,
)
from charging_assets.alerts.heartbeat import beat
from charging_assets_tests.alerts.receivers import HttpReceiver, MailReceiver


def channels(said: str) -> list[Channel]:
    return [channel(address) for address in alert_addresses({"CHARGING_ALERTS": said})]


def test_deliver__reaches_webhook_and_mail() -> None:
    with HttpReceiver() as hook, MailReceiver() as mail:
        ways = channels(
            f"{hook.url}/services/T0/secret "
            f"smtp://127.0.0.1:{mail.port}/?to=ops@example.org,night@example.org&from=us@example.org"
        )
        assert deliver(ways, "load_hour failed", "- the reason: ü\n.\n- and more") == {}
    ((method, path, body),) = hook.got
    assert (method, path) == ("POST", "/services/T0/secret")
    assert json.loads(body) == {"text": "*load_hour failed*\n- the reason: ü\n.\n- and more"}
    ((people, message),) = mail.got
    assert people == ["ops@example.org", "night@example.org"]
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
def test_deliver__markup_of_others_is_text_in_every_channel(text: str, webhook: str) -> None:
    with HttpReceiver() as hook, MailReceiver() as mail:
        ways = channels(f"{hook.url}/x smtp://127.0.0.1:{mail.port}/?to=ops@example.org")
        assert deliver(ways, "s", escape_mrkdwn(text)) == {}
    assert json.loads(hook.got[0][2])["text"] == f"*s*\n{webhook}"
    payload = mail.got[0][1].get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode().strip() == text


def test_deliver__one_dead_channel_does_not_keep_the_other_silent() -> None:
    with HttpReceiver() as hook:
        errors = deliver(channels(f"http://127.0.0.1:1/secret {hook.url}/x"), "s", "t")
        assert len(hook.got) == 1
    assert errors == {"1: webhook": "ConnectionError"}


@pytest.mark.parametrize("status", [302, 404, 500])
def test_deliver__refused_by_all_is_an_error_that_tells_no_secret(status: int) -> None:
    with HttpReceiver() as hook:
        hook.status = status
        with pytest.raises(NotDelivered, match=f"HTTP {status}") as told:
            deliver(channels(f"{hook.url}/services/secret"), "s", "t")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    "said",
    [
        "http://hooks.example.org/secret",
        "ftp://example.org/secret",
        "hooks.example.org/secret",
        "https://[secret",
        "https://",
    ],
)
def test_addresses__that_cannot_be_used_are_refused_without_telling_them(said: str) -> None:
    with pytest.raises(AddressError, match=r"CHARGING_ALERTS.*https://host") as told:
        channels(said)
    assert "secret" not in str(told.value)


def test_addresses__a_mail_server_needs_somebody_to_tell() -> None:
    with pytest.raises(AddressError, match=r"\?to="):
        channels("smtps://user:secret@mail.example.org")


def test_addresses__none_is_off() -> None:
    assert channels(" ") == []
    assert heartbeat_address({}) is None


def test_beat__calls_the_url_or_says_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHARGING_HEARTBEAT_URL", raising=False)
    assert beat() is None
    with HttpReceiver() as watcher:
        monkeypatch.setenv("CHARGING_HEARTBEAT_URL", f"{watcher.url}/ping/abc")
        assert beat() is None
        assert watcher.got == [("GET", "/ping/abc", b"")]
        watcher.status = 503
        assert beat() == "HTTP 503"
    assert beat() == "ConnectionError"

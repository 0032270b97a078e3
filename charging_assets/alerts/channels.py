"""Channels for alerts: Slack-compatible webhooks and e-mail.

A message is delivered within seconds or fails with an error that contains no secret.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Protocol
from urllib.parse import SplitResult, parse_qs, unquote

import requests

from charging_assets.settings import AddressError, is_loopback

_TIMEOUT_S = 10.0
# Markup that a zero-width space behind it disables.
_SPACE = "\u200b"
_LIVE = re.compile(r"@(?=\w)|\](?=\()")
_PORTS = {"smtp": 587, "smtps": 465}


class NotDelivered(Exception):
    """No channel delivered a message; the error names the reason per channel."""


class Channel(Protocol):
    """A way to send alerts."""

    name: str

    def send(self, subject: str, text: str) -> None:
        """Deliver a message, or raise."""


def channel(address: SplitResult) -> Channel:
    """The channel for an address; AddressError if the address is incomplete."""
    return Mail.of(address) if address.scheme in _PORTS else Webhook(address)


def escape_mrkdwn(text: str) -> str:
    """Escape text for `mrkdwn`, so that it contains no mentions and no links with another text.

    Slack parses `<…>` and requires `&`, `<` and `>` as entities
    (https://docs.slack.dev/messaging/formatting-message-text). Mattermost and Rocket.Chat also
    parse `@name` and `[text](url)`; a zero-width space separates their parts. A plain URL stays a
    link.
    """
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _LIVE.sub(rf"\g<0>{_SPACE}", escaped)


def _plain(text: str) -> str:
    """Escaped `mrkdwn` as plain text."""
    return text.replace(_SPACE, "").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def deliver(channels: Sequence[Channel], subject: str, text: str) -> dict[str, str]:
    """Send a message over every channel; errors by channel, or NotDelivered if all fail.

    Subject and text are `mrkdwn`; the caller escapes text of others (`escape_mrkdwn`).
    """
    errors: dict[str, str] = {}
    for number, each in enumerate(channels, 1):
        try:
            each.send(subject, text)
        except (requests.RequestException, smtplib.SMTPException, OSError) as error:
            errors[f"{number}: {each.name}"] = _describe(error)
    if channels and len(errors) == len(channels):
        raise NotDelivered(f"no channel delivered the alert {subject!r}: {errors}")
    return errors


@dataclass(frozen=True)
class Webhook:
    """`POST {"text": …}`, as Slack, Mattermost, Rocket.Chat and others accept it."""

    address: SplitResult
    name = "webhook"

    def send(self, subject: str, text: str) -> None:
        response = requests.post(
            self.address.geturl(),
            json={"text": f"*{subject}*\n{text}"},
            timeout=_TIMEOUT_S,
            allow_redirects=False,
            proxies={"http": "", "https": ""} if is_loopback(self.address) else None,
        )
        if not response.ok or response.is_redirect:
            raise requests.HTTPError(f"HTTP {response.status_code}")


@dataclass(frozen=True)
class Mail:
    """E-mail over TLS; without TLS only to a server on this machine."""

    address: SplitResult
    sender: str
    to: tuple[str, ...]
    name = "mail"

    @classmethod
    def of(cls, address: SplitResult) -> Mail:
        """`smtp[s]://user:password@host:port/?to=a@example.org&from=b@example.org`."""
        options = parse_qs(address.query)
        to = tuple(each for value in options.get("to", ()) for each in value.split(",") if each)
        if not to:
            raise AddressError(
                "CHARGING_ALERTS contains a mail server without recipients; "
                "add ?to=somebody@example.org"
            )
        return cls(address, options.get("from", to)[0], to)

    def send(self, subject: str, text: str) -> None:
        message = EmailMessage()
        message["Subject"], message["From"], message["To"] = (
            _plain(subject),
            self.sender,
            ", ".join(self.to),
        )
        message.set_content(_plain(text))
        with self._connect() as server:
            if self.address.username is not None:
                server.login(unquote(self.address.username), unquote(self.address.password or ""))
            server.send_message(message)

    def _connect(self) -> smtplib.SMTP:
        host, scheme = self.address.hostname or "", self.address.scheme
        port, tls = self.address.port or _PORTS[scheme], ssl.create_default_context()
        if scheme == "smtps":
            return smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT_S, context=tls)
        server = smtplib.SMTP(host, port, timeout=_TIMEOUT_S)
        if not is_loopback(self.address):
            server.starttls(context=tls)
        return server


def _describe(error: Exception) -> str:
    """An error without the address: messages of `requests` contain it, secrets included."""
    if isinstance(error, requests.HTTPError) or not isinstance(error, requests.RequestException):
        return f"{type(error).__name__}: {error}"
    return type(error).__name__

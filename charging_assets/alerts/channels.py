"""Channels: a webhook that Slack's senders know, and e-mail.

Belongs here: delivering a message within seconds, or saying why not, without telling secrets.
Does not belong here: what is in a message (`automation.alerting`), which channels there are
(`addresses`).
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

from charging_assets.alerts.addresses import ALERTS, AddressError, is_here

_TIMEOUT_S = 10.0
# What makes text live, up to where a zero-width space ends that.
_SPACE = "\u200b"
_LIVE = re.compile(r"@(?=\w)|\](?=\()")
_PORTS = {"smtp": 587, "smtps": 465}


class NotDelivered(Exception):
    """A message reached nobody; the message says why, by channel."""


class Channel(Protocol):
    """A way to reach people."""

    name: str

    def send(self, subject: str, text: str) -> None:
        """Deliver a message, or raise."""


def channel(address: SplitResult) -> Channel:
    """The channel of an address; AddressError if it lacks what its kind needs."""
    return Mail.of(address) if address.scheme in _PORTS else Webhook(address)


def escape_mrkdwn(text: str) -> str:
    """Text as inert `mrkdwn`: no mention, channel or link under another text works.

    Slack parses `<…>` and asks for `&`, `<` and `>` as entities
    (https://docs.slack.dev/messaging/formatting-message-text). Mattermost and Rocket.Chat also
    parse `@name` and `[text](url)`; a zero-width space keeps their parts apart. An address that is
    shown as it is stays a link.
    """
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _LIVE.sub(rf"\g<0>{_SPACE}", escaped)


def _plain(text: str) -> str:
    """What `mrkdwn` shows, as plain text."""
    return text.replace(_SPACE, "").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def deliver(channels: Sequence[Channel], subject: str, text: str) -> dict[str, str]:
    """Send a message over every channel; the errors by channel, or NotDelivered if all failed.

    Subject and text are `mrkdwn`: what others sent is escaped (`escape_mrkdwn`).
    """
    errors: dict[str, str] = {}
    for number, way in enumerate(channels, 1):
        try:
            way.send(subject, text)
        except (requests.RequestException, smtplib.SMTPException, OSError) as error:
            errors[f"{number}: {way.name}"] = _told(error)
    if channels and len(errors) == len(channels):
        raise NotDelivered(f"the alert {subject!r} reached nobody: {errors}")
    return errors


@dataclass(frozen=True)
class Webhook:
    """`POST {"text": …}`, as Slack, Mattermost, Rocket.Chat and others take it."""

    address: SplitResult
    name = "webhook"

    def send(self, subject: str, text: str) -> None:
        response = requests.post(
            self.address.geturl(),
            json={"text": f"*{subject}*\n{text}"},
            timeout=_TIMEOUT_S,
            allow_redirects=False,
            proxies={"http": "", "https": ""} if is_here(self.address) else None,
        )
        if not response.ok or response.is_redirect:
            raise requests.HTTPError(f"HTTP {response.status_code}")


@dataclass(frozen=True)
class Mail:
    """E-mail over TLS; in the clear only to this machine's own server."""

    address: SplitResult
    sender: str
    to: tuple[str, ...]
    name = "mail"

    @classmethod
    def of(cls, address: SplitResult) -> Mail:
        """`smtp[s]://user:password@host:port/?to=a@example.org&from=b@example.org`."""
        asked = parse_qs(address.query)
        to = tuple(person for said in asked.get("to", ()) for person in said.split(",") if person)
        if not to:
            raise AddressError(
                f"{ALERTS} holds a mail server without ?to=somebody@example.org; say who is told"
            )
        return cls(address, asked.get("from", to)[0], to)

    def send(self, subject: str, text: str) -> None:
        message = EmailMessage()
        message["Subject"], message["From"], message["To"] = (
            _plain(subject),
            self.sender,
            ", ".join(self.to),
        )
        message.set_content(_plain(text))
        with self._connected() as server:
            if self.address.username is not None:
                server.login(unquote(self.address.username), unquote(self.address.password or ""))
            server.send_message(message)

    def _connected(self) -> smtplib.SMTP:
        host, scheme = self.address.hostname or "", self.address.scheme
        port, tls = self.address.port or _PORTS[scheme], ssl.create_default_context()
        if scheme == "smtps":
            return smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT_S, context=tls)
        server = smtplib.SMTP(host, port, timeout=_TIMEOUT_S)
        if not is_here(self.address):
            server.starttls(context=tls)
        return server


def _told(error: Exception) -> str:
    """An error without the address it was about: requests' own messages hold it, keys and all."""
    if isinstance(error, requests.HTTPError) or not isinstance(error, requests.RequestException):
        return f"{type(error).__name__}: {error}"
    return type(error).__name__

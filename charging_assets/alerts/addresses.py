"""Addresses for alerts and the heartbeat, from the environment.

They contain secrets: no error message contains an address.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

ALERTS, HEARTBEAT = "CHARGING_ALERTS", "CHARGING_HEARTBEAT_URL"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class AddressError(ValueError):
    """An invalid address; the message names the variable and the valid forms, not the address."""


def alert_addresses(environment: Mapping[str, str] = os.environ) -> list[SplitResult]:
    """The addresses in CHARGING_ALERTS, separated by white space; empty if alerts are off.

    `https://…` is a webhook that accepts `{"text": …}`, `smtp[s]://…` a mail server.
    """
    return [
        _parse(ALERTS, word, {"https", "smtp", "smtps"})
        for word in environment.get(ALERTS, "").split()
    ]


def heartbeat_address(environment: Mapping[str, str] = os.environ) -> str | None:
    """The URL in CHARGING_HEARTBEAT_URL, if any."""
    url = environment.get(HEARTBEAT, "").strip()
    return _parse(HEARTBEAT, url, {"https"}).geturl() if url else None


def is_loopback(address: SplitResult) -> bool:
    """Whether an address is on this machine, so that plain text is safe."""
    return address.hostname in _LOOPBACK


def _parse(variable: str, url: str, schemes: set[str]) -> SplitResult:
    try:
        address = urlsplit(url)
        host, _ = address.hostname, address.port
    except ValueError:
        address, host = urlsplit(""), None
    if not host or not (
        address.scheme in schemes or (address.scheme == "http" and is_loopback(address))
    ):
        forms = " or ".join(f"{scheme}://host/…" for scheme in sorted(schemes))
        raise AddressError(
            f"{variable} contains an invalid address; give {forms} "
            "(http:// is allowed for localhost only)"
        )
    return address

"""Addresses that the environment names for alerts and heartbeat: which are taken, which refused.

Belongs here: reading them, without ever telling their secrets. Does not belong here: delivery.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

ALERTS, HEARTBEAT = "CHARGING_ALERTS", "CHARGING_HEARTBEAT_URL"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class AddressError(ValueError):
    """An address cannot be used; the message names the variable and the form, not the address."""


def alert_addresses(environment: Mapping[str, str] = os.environ) -> list[SplitResult]:
    """The addresses in CHARGING_ALERTS, separated by white space; none means that alerts are off.

    `https://…` is a webhook that takes `{"text": …}`, `smtp://…` and `smtps://…` a mail server.
    """
    return [
        _checked(ALERTS, word, {"https", "smtp", "smtps"})
        for word in environment.get(ALERTS, "").split()
    ]


def heartbeat_address(environment: Mapping[str, str] = os.environ) -> str | None:
    """The URL in CHARGING_HEARTBEAT_URL, if any."""
    said = environment.get(HEARTBEAT, "").strip()
    return _checked(HEARTBEAT, said, {"https"}).geturl() if said else None


def is_here(address: SplitResult) -> bool:
    """Whether an address is this machine's own, where nobody listens on the way."""
    return address.hostname in _LOOPBACK


def _checked(variable: str, said: str, schemes: set[str]) -> SplitResult:
    try:
        address = urlsplit(said)
        host, _ = address.hostname, address.port
    except ValueError:
        address, host = urlsplit(""), None
    if not host or not (
        address.scheme in schemes or (address.scheme == "http" and is_here(address))
    ):
        forms = " or ".join(f"{scheme}://host/…" for scheme in sorted(schemes))
        raise AddressError(
            f"{variable} holds an address that cannot be used; give {forms} "
            "(http:// is for this machine alone)"
        )
    return address

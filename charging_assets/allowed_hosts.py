"""The host names by which the web servers may be called: `CHARGING_ALLOWED_HOSTS`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

ALLOWED_HOSTS = "CHARGING_ALLOWED_HOSTS"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_HOST = re.compile(r"(?P<name>[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])\.?(:(?P<port>\d{1,5}))?")
# Also the short and hexadecimal forms of addresses, such as 127.1 and 0x7f.1.
_ADDRESS = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)|.*:.*")
# Names that documentation uses (RFC 2606), deploy/ among it, and that resolve nowhere.
_EXAMPLE = re.compile(r"(.*\.)?(example(\.(com|net|org))?|invalid|test)")
_DEFAULT_PORTS = frozenset({"80", "443"})


class AllowedHostError(ValueError):
    """`CHARGING_ALLOWED_HOSTS` cannot be used; the message names the variable and the form."""


def allowed_hosts(environment: Mapping[str, str] = os.environ) -> dict[str, str | None]:
    """Host names of `CHARGING_ALLOWED_HOSTS`, each with the port of its pages if one is given.

    The variable holds `name` or `name:port`, separated by commas or spaces. Loopback names are
    always served, and another port of this machine stays another origin whatever it holds.

    Raises:
        AllowedHostError: an entry is not of this form, or a name has two ports.
    """
    hosts = _entries(environment)
    return {name: port for name, port in hosts.items() if name not in LOOPBACK}


def host_warnings(environment: Mapping[str, str] = os.environ) -> list[str]:
    """What is risky or without effect in `CHARGING_ALLOWED_HOSTS`, and what to do, an entry each.

    Raises:
        AllowedHostError: as `allowed_hosts` does.
    """
    warnings = ((name, _warning(name, port)) for name, port in _entries(environment).items())
    return [f"{name} {warning}" for name, warning in warnings if warning]


def _warning(name: str, port: str | None) -> str | None:
    if name in LOOPBACK:
        return "has no effect: loopback names are always served; remove it"
    if _ADDRESS.fullmatch(name):
        return (
            "is an address: whoever calls it comes past the proxy, its login and its TLS; give the "
            "proxy's host name"
        )
    if _EXAMPLE.fullmatch(name):
        return "is a name of examples, which is nobody's; give the host name of your proxy"
    if "." not in name or name.endswith(".local"):
        return (
            "has no domain: other machines of the network can claim such a name and lead browsers "
            "to themselves; give the full host name"
        )
    if port in _DEFAULT_PORTS:
        return (
            f"has the port {port}, which browsers leave out of an Origin, so that changes are "
            "refused; leave it out"
        )
    return None


def _entries(environment: Mapping[str, str]) -> dict[str, str | None]:
    """All entries of the variable, loopback names included."""
    hosts: dict[str, str | None] = {}
    for number, entry in enumerate(environment.get(ALLOWED_HOSTS, "").replace(",", " ").split(), 1):
        match = _HOST.fullmatch(entry.lower())
        if match is None:
            raise AllowedHostError(
                f"{ALLOWED_HOSTS}: entry {number} is not a host name; give names such as "
                "charging.example.org or charging.example.org:8443, without https:// and without *"
            )
        name, port = match["name"].strip("[]"), match["port"]
        if port is not None and not 0 < int(port) < 65536:
            raise AllowedHostError(
                f"{ALLOWED_HOSTS}: entry {number} has no valid port; give 1 to 65535, or none"
            )
        if hosts.setdefault(name, port) != port:
            raise AllowedHostError(
                f"{ALLOWED_HOSTS}: entry {number} names a host again with another port; a host has "
                "one port, that of its pages"
            )
    return hosts

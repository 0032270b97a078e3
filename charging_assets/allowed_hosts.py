"""Host names under which the web servers may be used: `CHARGING_ALLOWED_HOSTS`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from charging_assets.settings import LOOPBACK, Settings

ALLOWED_HOSTS = "CHARGING_ALLOWED_HOSTS"
# Also the short and hexadecimal forms of addresses, such as 127.1 and 0x7f.1.
_ADDRESS = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)|.*:.*")
# Names reserved for documentation (RFC 2606), as used in deploy/.
_EXAMPLE = re.compile(r"(.*\.)?(example(\.(com|net|org))?|invalid|test)")
_DEFAULT_PORTS = frozenset({"80", "443"})


def allowed_hosts(environment: Mapping[str, str] | None = None) -> dict[str, str | None]:
    """Host names of `CHARGING_ALLOWED_HOSTS`, each with its port, or None.

    Entries are `name` or `name:port`, separated by commas or spaces. Loopback names are always
    allowed, but other ports of this machine stay other origins, whatever the variable contains.

    Raises:
        AllowedHostError: an entry is invalid, or a name has two ports.
    """
    hosts = Settings.read(environment).allowed_hosts
    return {name: port for name, port in hosts.items() if name not in LOOPBACK}


def host_warnings(environment: Mapping[str, str] | None = None) -> list[str]:
    """Entries of `CHARGING_ALLOWED_HOSTS` that are risky or have no effect, each with a remedy.

    Raises:
        AllowedHostError: as `allowed_hosts` does.
    """
    hosts = Settings.read(environment).allowed_hosts
    warnings = ((name, _warning(name, port)) for name, port in hosts.items())
    return [f"{name} {warning}" for name, warning in warnings if warning]


def _warning(name: str, port: str | None) -> str | None:
    if name in LOOPBACK:
        return "has no effect: loopback names are always allowed; remove it"
    if _ADDRESS.fullmatch(name):
        return (
            "is an address: requests to it bypass the proxy, its login and its TLS; give the "
            "proxy's host name"
        )
    if _EXAMPLE.fullmatch(name):
        return "is reserved for examples; give the host name of your proxy"
    if "." not in name or name.endswith(".local"):
        return (
            "has no domain: another machine on the network can claim such a name; give the full "
            "host name"
        )
    if port in _DEFAULT_PORTS:
        return (
            f"has the port {port}, which browsers omit in an Origin, so that changes are refused; "
            "remove the port"
        )
    return None

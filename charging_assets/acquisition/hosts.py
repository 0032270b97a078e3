"""Which hosts a poll may send requests to, and which of them receive the feed's credentials."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

from charging_assets.sources.feeds import Feed, is_loopback

_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int]


@dataclass(frozen=True)
class Target:
    """An address that may be requested.

    `is_public_only`: the connection is refused if the host's address is private.
    """

    url: str
    has_credentials: bool
    is_public_only: bool


@dataclass(frozen=True)
class HostRules:
    """The origin of a feed, and the further hosts that redirects and page links may lead to.

    A feed on loopback, as in development, may name loopback hosts; any other feed may lead to
    public addresses by https only.
    """

    origin: Origin | None
    allowed: frozenset[tuple[str, int]] = frozenset()
    with_credentials: frozenset[tuple[str, int]] = frozenset()

    @classmethod
    def of_feed(cls, feed: Feed) -> HostRules:
        send_to = feed.credentials.send_to if feed.credentials else ()
        return cls(_origin(feed.base_url), _hosts(feed.allow_hosts), _hosts(send_to))

    @classmethod
    def of_url(cls, url: str) -> HostRules:
        """Rules that allow the origin of one URL."""
        return cls(_origin(url))

    def resolve(self, base: str, location: str) -> tuple[Target | None, str]:
        """The target of a redirect or page link; None and its origin if it is not allowed.

        The origin has no path, no query and no user, which may contain secrets. Its host is the
        server's text: redact and escape it before it is shown.
        """
        try:
            parts = urlsplit(urljoin(base, location))
            origin = _origin_of(parts)
        except ValueError:
            return None, "no valid address"
        if origin is None:
            return None, f"{parts.scheme}://{parts.hostname}"
        scheme, host, port = origin
        shown = f"{scheme}://{host}:{port}"
        # The host is written again from its parsed form, so that two parsers cannot read the
        # target differently.
        default_port = _PORTS[scheme] == port
        name = f"[{host}]" if ":" in host else host
        url = urlunsplit((scheme, name if default_port else f"{name}:{port}", parts.path,
                          parts.query, ""))  # fmt: skip
        if origin == self.origin:
            return Target(url, has_credentials=True, is_public_only=False), shown
        if (host, port) not in self.allowed:
            return None, shown
        is_local = is_loopback(host)
        is_allowed = is_loopback(self.origin[1]) if is_local and self.origin else scheme == "https"
        if not is_allowed:
            return None, shown
        has_credentials = (host, port) in self.with_credentials
        return Target(url, has_credentials, is_public_only=not is_local), shown


def _origin(url: str) -> Origin | None:
    return _origin_of(urlsplit(url))


def _origin_of(parts: SplitResult) -> Origin | None:
    if parts.scheme not in _PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]


def _hosts(names: Iterable[str]) -> frozenset[tuple[str, int]]:
    split = [name.partition(":") for name in names]
    return frozenset((host, int(port) if port else 443) for host, _, port in split)

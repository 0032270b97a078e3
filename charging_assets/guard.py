"""A guard in front of a web server that has no login: only its own pages may use it.

A server on the loopback address is reachable for every page that is open in a browser on the same
machine: by `<img>`, forms and WebSockets of another origin, and by names that resolve to 127.0.0.1
(DNS rebinding). Dagster's web server checks neither Host nor Origin and runs mutations by GET. A
login of a proxy does not help, since browsers send it along.

What the guard does not replace is a login: whoever can reach the port with a program of their own
can use the server.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

ALLOWED_HOSTS = "CHARGING_ALLOWED_HOSTS"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_SAFE_METHODS = frozenset({"GET", "HEAD"})
# Probes of orchestrators use the address of the container as Host; the answer is a version.
_PROBES = frozenset({"/server_info"})


def allowed_hosts(environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """Host names that requests may be for: loopback, and those of `CHARGING_ALLOWED_HOSTS`.

    The variable holds names without scheme and port, separated by commas or spaces.
    """
    return _LOOPBACK | _configured(environment)


def _configured(environment: Mapping[str, str]) -> frozenset[str]:
    names = environment.get(ALLOWED_HOSTS, "").replace(",", " ").split()
    return frozenset(name.lower().strip("[]") for name in names)


class Guard:
    """ASGI middleware that refuses requests of other origins.

    403: the Host is not allowed, the Origin is another than the Host, or the browser reports
    another site as the source (`Sec-Fetch-Site`). 405: GraphQL by GET. 415: a request that may
    change something and is not `application/json`, which no page of another origin can send
    without being asked (CORS preflight). WebSockets are refused before they are accepted.
    """

    def __init__(self, app: ASGIApp, environment: Mapping[str, str] = os.environ) -> None:
        self._app = app
        self._configured = _configured(environment)
        self._allowed = allowed_hosts(environment)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1]})
        else:
            status, reason = refusal
            await PlainTextResponse(f"{reason}\n", status)(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """The status and reason for which a request is refused; None if it may pass."""
        headers, path = Headers(scope=scope), scope["path"]
        method = scope.get("method", "GET")
        if path in _PROBES and method in _SAFE_METHODS:
            return None
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _hostname(hosts[0]) not in self._allowed:
            return 403, f"this host name is not served here; name it in {ALLOWED_HOSTS}"
        if not self._is_own_origin(headers, hosts[0]):
            return 403, "requests of other origins are refused"
        if scope["type"] == "websocket":
            return None
        if not _is_own_page(headers, method):
            return 403, "requests of other sites are refused"
        if method not in _SAFE_METHODS:
            media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
            if media_type != "application/json":
                return 415, "send application/json"
        elif path.rstrip("/").endswith("/graphql") and "text/html" not in headers.get("accept", ""):
            # Dagster shows its editor to browsers, and runs the query of anything else.
            return 405, "GraphQL is answered by POST"
        return None

    def _is_own_origin(self, headers: Headers, host: str) -> bool:
        """Whether every Origin is the server's own, by its address or by its public name."""
        return all(
            _netloc(origin) == host.lower() or _hostname_of(origin) in self._configured
            for origin in headers.getlist("origin")
        )


def _is_own_page(headers: Headers, method: str) -> bool:
    """Whether a request is of the server's own pages, or opens one of them in a tab.

    Browsers send `Sec-Fetch-*` with requests that carry no Origin, such as those of `<img>`.
    """
    if headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}:
        return True
    is_navigation = headers.get("sec-fetch-mode") == "navigate"
    is_tab = headers.get("sec-fetch-dest") == "document"
    return method == "GET" and is_navigation and is_tab


def _hostname(host: str) -> str | None:
    """The name of a Host header, without port; None if it is not one."""
    return _hostname_of(f"//{host}")


def _hostname_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""

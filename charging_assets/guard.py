"""Protects a web server without a login from requests of other sites.

Any page that is open in a browser on the same machine can reach a server on the loopback address:
by `<img>`, forms and WebSockets of another origin, and by names that resolve to 127.0.0.1 (DNS
rebinding). Dagster's web server checks neither Host nor Origin and runs mutations by GET. The login
of a proxy does not help, because browsers send its credentials with such requests.

The guard replaces neither a login, because any program that reaches the port can use the server,
nor TLS, because plain http can be read and changed on its way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from charging_assets.allowed_hosts import ALLOWED_HOSTS, allowed_hosts
from charging_assets.settings import LOOPBACK

_SAFE_METHODS = frozenset({"GET", "HEAD"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Guard:
    """ASGI middleware that refuses requests of other origins.

    400: control characters in the path. 403: the Host is not allowed, the Origin differs from the
    Host, or the browser reports another site as the source (`Sec-Fetch-Site`). 405: GraphQL by GET.
    415: a request that may change something and is not `application/json`, which pages of other
    origins cannot send without a CORS preflight. WebSockets are refused before they are accepted.
    Other sites may not show responses in frames.
    """

    def __init__(self, app: ASGIApp, environment: Mapping[str, str] | None = None) -> None:
        self._app = app
        self._hosts = allowed_hosts(environment)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_unframed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Frame-Options", "SAMEORIGIN")
                # An additional policy: browsers enforce all policies of a response.
                headers.append("Content-Security-Policy", "frame-ancestors 'self'")
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send_unframed)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1]})
        else:
            status, reason = refusal
            await PlainTextResponse(f"{reason}\n", status)(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and reason if a request is refused; None if it is allowed."""
        headers, path = Headers(scope=scope), scope["path"]
        method = scope.get("method", "GET")
        if _CONTROL.search(path):
            # Routes of Starlette end with `$`, which also matches before a newline.
            return 400, "control characters in the path are not allowed"
        # Probes of orchestrators send the container's address as Host; the response is a version.
        if path.endswith("/server_info") and method in _SAFE_METHODS:
            return None
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_allowed_host(hosts[0]):
            return 403, f"this host name is not allowed; add it to {ALLOWED_HOSTS}"
        if not all(
            self._is_allowed_origin(origin, hosts[0]) for origin in headers.getlist("origin")
        ):
            return 403, "requests from other origins are not allowed"
        if not _is_same_site(headers, method):
            return 403, "requests from other sites are not allowed"
        if scope["type"] == "websocket":
            return None
        if method not in _SAFE_METHODS:
            media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
            if media_type != "application/json":
                return 415, "send application/json"
        elif path.rstrip("/").endswith("/graphql") and "text/html" not in headers.get("accept", ""):
            # For browsers Dagster serves its editor; for other clients it runs the query.
            return 405, "use POST for GraphQL"
        return None

    def _is_allowed_host(self, host: str) -> bool:
        name = _split(f"//{host}")[0]
        return name in LOOPBACK or name in self._hosts

    def _is_allowed_origin(self, origin: str, host: str) -> bool:
        """Whether an Origin is the server itself, by its address or its public name."""
        name, port, netloc = _split(origin)
        if netloc == host.lower():
            return True
        return name in self._hosts and port == self._hosts[name]


def _is_same_site(headers: Headers, method: str) -> bool:
    """Whether a request comes from the server's pages, or opens one of them in a tab.

    Browsers send `Sec-Fetch-*` with requests that carry no Origin, such as those of `<img>`.
    """
    if headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}:
        return True
    is_navigation = headers.get("sec-fetch-mode") == "navigate"
    is_tab = headers.get("sec-fetch-dest") == "document"
    return method == "GET" and is_navigation and is_tab


def _split(url: str) -> tuple[str | None, str | None, str]:
    """Host name, port, and both as written; None and an empty text for an invalid URL.

    The port is None if it is the default of the scheme: browsers omit it in an Origin.
    """
    try:
        parts = urlsplit(url)
        name = (parts.hostname or "").rstrip(".") or None
        return name, str(parts.port) if parts.port else None, parts.netloc.lower()
    except ValueError:
        return None, None, ""

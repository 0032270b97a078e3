"""A guard in front of a web server that has no login: only its own pages may use it.

A server on the loopback address is reachable for every page that is open in a browser on the same
machine: by `<img>`, forms and WebSockets of another origin, and by names that resolve to 127.0.0.1
(DNS rebinding). Dagster's web server checks neither Host nor Origin and runs mutations by GET. A
login of a proxy does not help, since browsers send it along.

What the guard does not replace is a login: whoever can reach the port with a program of their own
can use the server. Nor does it replace TLS: on plain http everybody on the way can read passwords,
cookies and pages, and change requests.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from charging_assets.allowed_hosts import ALLOWED_HOSTS, LOOPBACK, allowed_hosts

_SAFE_METHODS = frozenset({"GET", "HEAD"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Guard:
    """ASGI middleware that refuses requests of other origins.

    400: control characters in the path. 403: the Host is not allowed, the Origin is another than
    the Host, or the browser reports another site as the source (`Sec-Fetch-Site`). 405: GraphQL by
    GET. 415: a request that may change something and is not `application/json`, which no page of
    another origin can send without being asked (CORS preflight). WebSockets are refused before
    they are accepted. Answers may not be framed by other sites.
    """

    def __init__(self, app: ASGIApp, environment: Mapping[str, str] = os.environ) -> None:
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
                # A policy of its own: browsers hold a page to all that are sent.
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
        """The status and reason for which a request is refused; None if it may pass."""
        headers, path = Headers(scope=scope), scope["path"]
        method = scope.get("method", "GET")
        if _CONTROL.search(path):
            # A route of Starlette ends with `$`, which is also true before a newline.
            return 400, "control characters in an address are refused"
        # Probes of orchestrators use the address of the container as Host; the answer is a version.
        if path.endswith("/server_info") and method in _SAFE_METHODS:
            return None
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_served(hosts[0]):
            return 403, f"this host name is not served here; name it in {ALLOWED_HOSTS}"
        if not all(self._is_own(origin, hosts[0]) for origin in headers.getlist("origin")):
            return 403, "requests of other origins are refused"
        if not _is_own_page(headers, method):
            return 403, "requests of other sites are refused"
        if scope["type"] == "websocket":
            return None
        if method not in _SAFE_METHODS:
            media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
            if media_type != "application/json":
                return 415, "send application/json"
        elif path.rstrip("/").endswith("/graphql") and "text/html" not in headers.get("accept", ""):
            # Dagster shows its editor to browsers, and runs the query of anything else.
            return 405, "GraphQL is answered by POST"
        return None

    def _is_served(self, host: str) -> bool:
        name = _split(f"//{host}")[0]
        return name in LOOPBACK or name in self._hosts

    def _is_own(self, origin: str, host: str) -> bool:
        """Whether an Origin is the server's own, by its address or by its public name."""
        name, port, netloc = _split(origin)
        if netloc == host.lower():
            return True
        return name in self._hosts and port == self._hosts[name]


def _is_own_page(headers: Headers, method: str) -> bool:
    """Whether a request is of the server's own pages, or opens one of them in a tab.

    Browsers send `Sec-Fetch-*` with requests that carry no Origin, such as those of `<img>`.
    """
    if headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}:
        return True
    is_navigation = headers.get("sec-fetch-mode") == "navigate"
    is_tab = headers.get("sec-fetch-dest") == "document"
    return method == "GET" and is_navigation and is_tab


def _split(url: str) -> tuple[str | None, str | None, str]:
    """Host name, port and both as written; None and empty for what is no address.

    The port is None where it is the default of the scheme: browsers leave it out of an Origin.
    """
    try:
        parts = urlsplit(url)
        name = (parts.hostname or "").rstrip(".") or None
        return name, str(parts.port) if parts.port else None, parts.netloc.lower()
    except ValueError:
        return None, None, ""

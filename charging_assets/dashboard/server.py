"""The web application: routes, languages, error pages.

Pages load nothing from other hosts; their content security policy enforces it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from charging_assets import __version__
from charging_assets.clock import utc_now
from charging_assets.dashboard import limits
from charging_assets.dashboard.blocks import Page
from charging_assets.dashboard.feeds import loaded_feeds, select_feed
from charging_assets.dashboard.limits import Busy, ClientDisconnected, Limit, PageTimeout, run_page
from charging_assets.dashboard.pages import city, definitions, now, quality, reliability, station
from charging_assets.dashboard.reader import DataUnavailable, Reader
from charging_assets.dashboard.request import PageRequest, select_language
from charging_assets.dashboard.wording import LANGUAGES, Wording
from charging_assets.guard import Guard
from charging_assets.hours import to_naive_utc
from charging_assets.text import printable
from charging_assets.warehouse.interface import NoWarehouse

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]
PAGES: dict[str, Callable[[PageRequest, Reader], Page]] = {
    "now": now.build_page,
    "station": station.build_page,
    "city": city.build_page,
    "reliability": reliability.build_page,
    "quality": quality.build_page,
    "definitions": definitions.build_page,
}
_HERE = Path(__file__).parent
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "script-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
# The client has disconnected and gets no response; nginx logs this code in that case.
_CLIENT_CLOSED_REQUEST = 499
_log = logging.getLogger(__name__)


def create_app(reader: Reader, clock: Callable[[], datetime] = utc_now) -> ASGIApp:
    """The dashboard as an ASGI application; `clock` returns the current time, with time zone."""
    site = _Site(reader, clock)
    pages = Starlette(
        routes=[
            Route("/", site.start),
            *(Route(f"/{name}", site.page(name)) for name in PAGES),
            *(Route(f"/{name}/{{table}}.csv", site.csv(name)) for name in PAGES),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
            Route("/{rest:path}", site.handle_not_found),
        ],
        middleware=[Middleware(GZipMiddleware, minimum_size=1000)],
        exception_handlers={Exception: site.handle_server_error},
    )
    # Outermost: Starlette handles errors outside of its own middleware.
    return _SecurityHeaders(Guard(pages))


class _SecurityHeaders:
    """Adds the security headers to every response, including static files and errors."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                if not scope["path"].startswith("/static/"):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self._app(scope, receive, send_with_headers)


class _Site:
    def __init__(self, reader: Reader, clock: Callable[[], datetime]) -> None:
        self._reader, self._clock = reader, clock
        self._limit = Limit()
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    async def start(self, request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/{next(iter(PAGES))}{query}")

    def page(self, name: str) -> Endpoint:
        return self._with_limit(lambda request: self._page(request, name))

    def csv(self, name: str) -> Endpoint:
        return self._with_limit(lambda request: self._csv(request, name))

    def _with_limit(self, make: Callable[[Request], Response]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            try:
                async with self._limit.slot(request.is_disconnected):
                    return await run_page(
                        lambda: self._respond(request, make), request.is_disconnected
                    )
            except ClientDisconnected:
                return Response(status_code=_CLIENT_CLOSED_REQUEST)
            except Busy:
                response = self._message_page(request, "busy", 503)
                response.headers["Retry-After"] = "10"
                return response
            except PageTimeout:
                _log.warning("%s was cancelled after %.0f s", printable(str(request.url)),
                             limits.PAGE_TIMEOUT_S)  # fmt: skip
                return self._message_page(request, "slow", 504)

        return endpoint

    async def handle_not_found(self, request: Request) -> Response:
        return self._message_page(request, "missing", 404)

    async def handle_server_error(self, request: Request, error: Exception) -> Response:
        # The path is decoded: a newline in it would start another line in the log.
        _log.error("%s could not be created", printable(str(request.url)), exc_info=error)
        return self._message_page(request, "broken", 500)

    def _respond(self, request: Request, make: Callable[[Request], Response]) -> Response:
        try:
            return make(request)
        except NoWarehouse:
            return self._message_page(request, "empty", 200)
        except DataUnavailable as error:
            _log.warning("%s", printable(str(error)))
            return self._message_page(request, "unavailable", 503, str(error))

    def _page_request(self, request: Request, *, draws: bool) -> PageRequest:
        query = dict(request.query_params)
        names = loaded_feeds(self._reader)
        at = to_naive_utc(self._clock())
        return PageRequest(
            path=request.url.path,
            query=query,
            language=self._language(request),
            feeds=list(names),
            feed=select_feed(self._reader, query.get("feed", ""), names),
            now=at,
            draws=draws,
        )

    def _page(self, request: Request, name: str) -> Response:
        page_request = self._page_request(request, draws=True)
        page = PAGES[name](page_request, self._reader)
        return self._render(
            "page.html", page_request.words, request, page=page, page_request=page_request,
            name=name, reader=self._reader, status=200,
        )  # fmt: skip

    def _csv(self, request: Request, name: str) -> Response:
        page_request = self._page_request(request, draws=False)
        page = PAGES[name](page_request, self._reader)
        table = page.table(request.path_params["table"])
        if table is None:
            return self._message_page(request, "missing", 404)
        file = f"{'-'.join([page_request.feed.name, name, table.id, *page.options])}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{file}"'}
        return Response(table.csv(), media_type="text/csv", headers=headers)

    def _message_page(
        self, request: Request, message: str, status: int, detail: str = ""
    ) -> Response:
        """A page that states a problem and its remedy; plain text if a table was requested."""
        words = Wording(self._language(request))
        if request.url.path.endswith(".csv"):
            lines = [
                words(f"{message}_title"),
                words(f"{message}_text"),
                *([detail] if detail else []),
            ]
            return PlainTextResponse("".join(f"{line}\n" for line in lines), status)
        return self._render(
            "message.html", words, request, message=message, detail=detail, name="", status=status
        )

    def _render(
        self, template: str, words: Wording, request: Request, *, status: int, **values: Any
    ) -> Response:
        language = {"lang": words.language} if "lang" in request.query_params else {}
        feed = request.query_params.get("feed")
        base_query = {**language, **({"feed": feed} if feed else {})}

        def link(path: str, **query: str) -> str:
            return str(request.url.replace(scheme="", netloc="", path=path, query="")
                       .include_query_params(**{**base_query, **query}))  # fmt: skip

        html = self._templates.get_template(template).render(
            words=words, languages=LANGUAGES, pages=PAGES, version=__version__, link=link,
            here=request.url.include_query_params, path=request.url.path, **values,
        )  # fmt: skip
        return HTMLResponse(html, status_code=status)

    def _language(self, request: Request) -> str:
        return select_language(request.query_params, request.headers.get("accept-language", ""))

"""The web server: addresses, languages, errors that people can read.

Belongs here: HTTP. Does not belong here: what pages show (`pages`) or how (`templates/`).

Every answer is made here, of what this machine holds: pages may load nothing from elsewhere, and
their content security policy holds browsers to that.
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
from charging_assets.dashboard.asked import Asked, language_of
from charging_assets.dashboard.blocks import Page
from charging_assets.dashboard.feeds import feed_names, feed_of
from charging_assets.dashboard.limits import Busy, ClientLeft, Limit, PageTimeout, run_page
from charging_assets.dashboard.pages import city, definitions, now, quality, reliability, station
from charging_assets.dashboard.reader import Reader, Unreadable
from charging_assets.dashboard.wording import LANGUAGES, Wording
from charging_assets.guard import Guard
from charging_assets.partitions import naive
from charging_assets.storage.warehouse import NoWarehouse
from charging_assets.text import printable

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]
PAGES: dict[str, Callable[[Asked, Reader], Page]] = {
    "now": now.page,
    "station": station.page,
    "city": city.page,
    "reliability": reliability.page,
    "quality": quality.page,
    "definitions": definitions.page,
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
# The client is gone and gets no response; the code is for the log, as nginx writes it.
_CLIENT_LEFT = 499
_log = logging.getLogger(__name__)


def application(reader: Reader, clock: Callable[[], datetime] = utc_now) -> ASGIApp:
    """The dashboard over a reader; `clock` tells the time, aware."""
    site = _Site(reader, clock)
    pages = Starlette(
        routes=[
            Route("/", site.start),
            *(Route(f"/{name}", site.page(name)) for name in PAGES),
            *(Route(f"/{name}/{{table}}.csv", site.csv(name)) for name in PAGES),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
            Route("/{rest:path}", site.missing),
        ],
        middleware=[Middleware(GZipMiddleware, minimum_size=1000)],
        exception_handlers={Exception: site.broken},
    )
    # Around everything: Starlette answers errors outside of its own middleware.
    return _SecurityHeaders(Guard(pages))


class _SecurityHeaders:
    """Puts the security headers on every answer: pages, files, static files, errors."""

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
        return self._limited(lambda request: self._page(request, name))

    def csv(self, name: str) -> Endpoint:
        return self._limited(lambda request: self._csv(request, name))

    def _limited(self, make: Callable[[Request], Response]) -> Endpoint:
        async def answer(request: Request) -> Response:
            try:
                async with self._limit.place(request.is_disconnected):
                    return await run_page(
                        lambda: self._answered(request, make), request.is_disconnected
                    )
            except ClientLeft:
                return Response(status_code=_CLIENT_LEFT)
            except Busy:
                response = self._told(request, "busy", 503)
                response.headers["Retry-After"] = "10"
                return response
            except PageTimeout:
                _log.warning("%s was cancelled after %.0f s", printable(str(request.url)),
                             limits.PAGE_TIMEOUT_S)  # fmt: skip
                return self._told(request, "slow", 504)

        return answer

    async def missing(self, request: Request) -> Response:
        return self._told(request, "missing", 404)

    async def broken(self, request: Request, error: Exception) -> Response:
        # The path of an address is decoded: a newline in it would begin a line of its own.
        _log.error("%s could not be made", printable(str(request.url)), exc_info=error)
        return self._told(request, "broken", 500)

    def _answered(self, request: Request, make: Callable[[Request], Response]) -> Response:
        try:
            return make(request)
        except NoWarehouse:
            return self._told(request, "empty", 200)
        except Unreadable as error:
            _log.warning("%s", printable(str(error)))
            return self._told(request, "dead", 503, str(error))

    def _asked(self, request: Request, *, draws: bool) -> Asked:
        query = dict(request.query_params)
        names = feed_names(self._reader)
        at = naive(self._clock())
        return Asked(
            path=request.url.path,
            query=query,
            language=self._language(request),
            feeds=list(names),
            feed=feed_of(self._reader, query.get("feed", ""), names),
            now=at,
            draws=draws,
        )

    def _page(self, request: Request, name: str) -> Response:
        asked = self._asked(request, draws=True)
        page = PAGES[name](asked, self._reader)
        return self._rendered(
            "page.html", asked.words, request, page=page, asked=asked, name=name,
            reader=self._reader, status=200,
        )  # fmt: skip

    def _csv(self, request: Request, name: str) -> Response:
        asked = self._asked(request, draws=False)
        page = PAGES[name](asked, self._reader)
        table = page.table(request.path_params["table"])
        if table is None:
            return self._told(request, "missing", 404)
        file = f"{'-'.join([asked.feed.name, name, table.id, *page.options])}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{file}"'}
        return Response(table.csv(), media_type="text/csv", headers=headers)

    def _told(self, request: Request, what: str, status: int, detail: str = "") -> Response:
        """A page that states what is wrong and what to do; plain text in place of a table."""
        words = Wording(self._language(request))
        if request.url.path.endswith(".csv"):
            lines = [words(f"{what}_title"), words(f"{what}_text"), *([detail] if detail else [])]
            return PlainTextResponse("".join(f"{line}\n" for line in lines), status)
        return self._rendered(
            "told.html", words, request, what=what, detail=detail, name="", status=status
        )

    def _rendered(
        self, template: str, words: Wording, request: Request, *, status: int, **values: Any
    ) -> Response:
        language = {"lang": words.language} if "lang" in request.query_params else {}
        feed = request.query_params.get("feed")
        kept = {**language, **({"feed": feed} if feed else {})}

        def link(path: str, **query: str) -> str:
            return str(request.url.replace(scheme="", netloc="", path=path, query="")
                       .include_query_params(**{**kept, **query}))  # fmt: skip

        html = self._templates.get_template(template).render(
            words=words, languages=LANGUAGES, pages=PAGES, version=__version__, link=link,
            here=request.url.include_query_params, path=request.url.path, **values,
        )  # fmt: skip
        return HTMLResponse(html, status_code=status)

    def _language(self, request: Request) -> str:
        return language_of(request.query_params, request.headers.get("accept-language", ""))

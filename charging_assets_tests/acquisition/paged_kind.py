"""A kind whose places are lists in pages; the beginning of a place's name is the style.

`links`, `offset` and `cursor` are pages, `whole` is one conditional document, `two` are two
documents, `queue` reads until 204. Its records are those of chargecloud, under `data` or `items`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from charging_assets.sources import BadBody, Envelope, split_pages
from charging_assets.sources.chargecloud import CONNECTOR, EVSE, STATION
from charging_assets.sources.feeds import Feed
from charging_assets.sources.paging import (
    Request,
    Requests,
    cursor_pages,
    follow_links,
    get_once,
    json_ids,
    offset_pages,
)

__all__ = ["CONNECTOR", "EVSE", "NAME", "STATION", "requests", "split", "url"]

NAME = __name__
LIMIT = 2


def url(base_url: str, slug: str) -> str:
    """The address of a place."""
    return f"{base_url}/{slug}"


def requests(feed: Feed, place: str, since: datetime | None) -> Requests:
    """The requests of a place, by the style that its name begins with."""
    assert since is None
    first = Request(url(feed.base_url, place))
    style = place.split("-")[0]
    if style == "links":
        return follow_links(first, json_ids("data"))
    if style == "offset":
        return offset_pages(first, json_ids("data"), limit=LIMIT)
    if style == "cursor":
        return cursor_pages(first, json_ids("items"))
    if style == "two":
        return _two(first)
    if style == "queue":
        return _queue(first)
    return get_once(Request(first.url, is_conditional=True))


def _two(first: Request) -> Requests:
    for name in ("a", "b"):
        yield Request(f"{first.url}-{name}", is_conditional=True)


def _queue(first: Request) -> Requests:
    """Packets until there is none; each has its own address."""
    for number in range(1000):
        query = {"packet": number}
        response = yield Request(first.url, query=query, accepts=frozenset({204}))
        if response.status == 204:
            return


def split(bodies: Sequence[bytes]) -> Envelope:
    """All records of all pages; the empty end of a queue has none."""
    return split_pages([body for body in bodies if body], _page)


def _page(body: bytes) -> Envelope:
    try:
        page = msgspec.json.decode(body, type=dict[str, Any])
        records = page["data"] if "data" in page else page["items"]
        fragments = [msgspec.json.encode(record) for record in records]
    except (msgspec.DecodeError, KeyError, TypeError, UnicodeDecodeError):
        raise BadBody("bad_envelope", "a page without a list", body) from None
    return Envelope(page.get("timestamp"), fragments)

"""Requests of a kind: one GET, or the pages of a list by link, offset or cursor.

A kind may define `requests(feed, place, since)`, a generator that yields a `Request`, receives the
`Response` to it, and yields the next one. The generators here are the usual ways; a kind returns
one of them:

    def requests(feed, place, since):
        return follow_links(Request(f"{feed.base_url}/locations"), json_ids("data"))

The poll archives each response before the generator sees it. It also limits requests, bytes and
time, keeps credentials out of the kind, and refuses other hosts and repeated pages. So a generator
cannot run without end, and an error in it costs its place only. A generator that finds a page
unusable, or the list changed while it was read, raises `BadBody`: the pages stay archived, and the
poll is incomplete.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import msgspec
from requests.utils import parse_header_links

from charging_assets.sources import BadBody

# Longer numbers in headers are not counts.
_MAX_DIGITS = 15


@dataclass(frozen=True)
class Request:
    """One GET. `query` replaces parameters of the same name in `url`.

    `is_conditional` adds `If-None-Match` and `If-Modified-Since` once a complete answer to the same
    URL is archived in the hour; use it where the answer is the whole document, not a page.
    `accepts` are statuses besides 200 that the kind reads itself, such as 204 for an empty queue.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str | int] = field(default_factory=dict)
    is_conditional: bool = False
    accepts: frozenset[int] = frozenset()

    @property
    def full_url(self) -> str:
        """The URL with `query`, without a fragment."""
        parts = urlsplit(self.url)
        query = parts.query
        if self.query:
            others = parse_qsl(parts.query, keep_blank_values=True)
            kept = [(name, value) for name, value in others if name not in self.query]
            query = urlencode([*kept, *self.query.items()])
        return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


@dataclass(frozen=True)
class Response:
    """The response to a request; names of `headers` are in lower case.

    `status` is 200, one that the request accepts, or 304 of a conditional request, without a body:
    the answer is the one that is archived already.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


Requests = Generator[Request, Response, None]
# The ids of the items of a page, in order.
ReadIds = Callable[[bytes], Sequence[Hashable]]


def get_once(request: Request) -> Requests:
    """A single request, which may be conditional."""
    yield request


def follow_links(first: Request, ids: ReadIds, *, is_total_exact: bool = True) -> Requests:
    """Pages by `Link: <…>; rel="next"`.

    `ids` reads the ids of a page; repeated ids, another `X-Total-Count` from page to page or
    another number of items than it states raise BadBody. Without `is_total_exact` the sum may
    differ: some servers count records that they do not publish.
    """
    listing, request = _Listing(ids, is_total_exact), first
    while True:
        response = yield request
        listing.add(response)
        link = _next_link(response.headers.get("link", ""))
        if link is None:
            return listing.end()
        request = replace(first, url=urljoin(response.url, link), query={})


def offset_pages(
    first: Request, ids: ReadIds, *, limit: int, is_total_exact: bool = True
) -> Requests:
    """Pages by `offset` and `limit` (OCPI), up to `X-Total-Count`, or to a page that is not full.

    `X-Limit` is the largest page of the server. The checks are those of `follow_links`.
    """
    listing, offset = _Listing(ids, is_total_exact), 0
    while True:
        query = {**first.query, "offset": offset, "limit": limit}
        response = yield replace(first, query=query)
        count = listing.add(response)
        size = min(limit, _whole_number(response.headers.get("x-limit")) or limit)
        offset += size
        is_last = count < size if listing.total is None else offset >= listing.total
        if is_last or not count:
            return listing.end()


def cursor_pages(
    first: Request,
    ids: ReadIds,
    *,
    next_field: str = "next",
    parameter: str = "cursor",
    is_total_exact: bool = True,
) -> Requests:
    """Pages by a cursor in the body, `{"next": …, "items": […]}`; null, "" or none is the end.

    The cursor is the address of the next page if it begins with https:// or http://, else the value
    of the query parameter `parameter`: a cursor in base64 may begin like a path. The checks are
    those of `follow_links`.
    """
    listing, request = _Listing(ids, is_total_exact), first
    while True:
        response = yield request
        listing.add(response)
        cursor = _read_object(response.body).get(next_field)
        value = msgspec.json.decode(cursor) if cursor is not None else None
        if value is None or value == "":
            return listing.end()
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise BadBody(
                "bad_envelope", "the cursor is no text", bytes(cursor or b""), f"/{next_field}"
            )
        if isinstance(value, str) and value.startswith(("https://", "http://")):
            request = replace(first, url=urljoin(response.url, value), query={})
        else:
            request = replace(first, query={**first.query, parameter: value})


def json_ids(list_field: str | None, *fields: str) -> ReadIds:
    """Reads ids from JSON: the fields (default `id`) of each object in the list `list_field`.

    None: the page itself is the list. A page of another form is a BadBody; records without an id
    are not compared.
    """
    names = fields or ("id",)

    def read(body: bytes) -> Sequence[Hashable]:
        items: Any = body if list_field is None else _read_object(body).get(list_field)
        try:
            records = msgspec.json.decode(items or b"", type=list[msgspec.Raw])
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            where = f"in {list_field!r}" if list_field else "as its body"
            raise BadBody("bad_envelope", f"the page has no list {where}", body) from None
        return [_id_of(record, names) or _NoId() for record in records]

    return read


class _NoId:
    """Stands for the id of a record that has none; equal to no other."""


def _id_of(record: msgspec.Raw, names: Sequence[str]) -> tuple[bytes, ...] | None:
    try:
        fields = msgspec.json.decode(record, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None  # rejected alone when the answer is flattened
    values = tuple(bytes(fields[name]) for name in names if name in fields)
    return values if len(values) == len(names) else None


def _read_object(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise BadBody("bad_envelope", "the page is not a JSON object", body) from None


class _Listing:
    """What the pages of a list have in common; BadBody if the list changed while it was read."""

    def __init__(self, ids: ReadIds, is_total_exact: bool) -> None:
        self._ids, self._is_total_exact = ids, is_total_exact
        self._seen: set[Hashable] = set()
        self._count = 0
        self.total: int | None = None

    def add(self, response: Response) -> int:
        """Add a page; returns its number of items."""
        total = _whole_number(response.headers.get("x-total-count"))
        if None not in (total, self.total) and total != self.total:
            raise BadBody(
                "list_changed", f"X-Total-Count changed from {self.total} to {total} between pages"
            )
        self.total = self.total if total is None else total
        ids = self._ids(response.body)
        # Within a page a repeated id is an error of the source, and rejected alone.
        repeated = self._seen.intersection(ids)
        if repeated:
            raise BadBody(
                "repeated_ids", f"{len(repeated)} of {len(ids)} ids were on an earlier page"
            )
        self._seen.update(ids)
        self._count += len(ids)
        return len(ids)

    def end(self) -> None:
        if self._is_total_exact and self.total is not None and self._count != self.total:
            raise BadBody(
                "list_incomplete", f"{self._count} items, but X-Total-Count is {self.total}"
            )


def _next_link(header: str) -> str | None:
    for link in parse_header_links(header) if header else ():
        if "next" in link.get("rel", "").lower().split():
            return link["url"]
    return None


def _whole_number(text: str | None) -> int | None:
    text = (text or "").strip()
    is_number = text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    return int(text) if is_number else None

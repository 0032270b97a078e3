"""Whatever a server sends: a poll ends in its time, and archives everything that it received."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charging_assets.acquisition.poll import poll
from charging_assets.archive.raw_archive import archive, read_places
from charging_assets.lake.memory import MemoryLake
from charging_assets.preprocessing.flatten import flatten
from charging_assets.schemas.outcomes import is_good
from charging_assets_tests.acquisition import loopback
from charging_assets_tests.acquisition.loopback import Handler, Loopback, reply
from charging_assets_tests.acquisition.test_place_poll import feed
from charging_assets_tests.builders import station
from charging_assets_tests.preprocessing.flat_hours import assert_sound, rows

PLACES = ("links", "offset", "cursor", "whole", "queue")
MAX_PAGES, BUDGET_S = 8, 2.0
# A machine that does other things too.
SLACK_S = 15

_ADDRESSES = ["/links", "/links?page=2", "?page=3", "links?cursor=4", "//localhost:1/x", "http://[",
              "https://127.0.0.1/x", "", " ", "/x?token=1", "\\\\x", "#a"]  # fmt: skip
_BODIES = st.one_of(
    st.builds(
        lambda items, cursor, name: json.dumps({name: items, "next": cursor}).encode(),
        st.lists(
            st.sampled_from([station("a"), station("b"), {}, 7, None, {"id": []}]), max_size=3
        ),
        st.sampled_from([None, "", "2", "3", 4, True, [], "/cursor?cursor=5", "http://[", "?"]),
        st.sampled_from(["data", "items", "other"]),
    ),
    st.sampled_from([b"", b"[]", b"{", b"<html>", b"null", b"\x1f\x8b\x08\x00", b"\xff\xfe"]),
)
_HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Link": st.builds(
            "<{}>; rel={}".format,
            st.sampled_from(_ADDRESSES),
            st.sampled_from(["next", '"next"', '"prev next"', "last"]),
        ),
        "X_Total_Count": st.sampled_from(["0", "3", "-1", "9" * 30, "x", "²"]),
        "X_Limit": st.sampled_from(["1", "0", "2", "x"]),
        "ETag": st.sampled_from(['"1"', "x" * 3000, "W/x"]),
        "Retry_After": st.sampled_from(["0", "3600", "x"]),
        "Content_Encoding": st.sampled_from(["gzip", "br", "deflate"]),
    },
)
_FAULTS = st.sampled_from(
    [loopback.reset(), loopback.truncated(), loopback.broken_chunks(), loopback.drip_body(),
     loopback.truncated_gzip(), loopback.redirect("/links"), loopback.redirect("http://10.0.0.1/")]
)  # fmt: skip
_STATUSES = st.sampled_from([200] * 12 + [204, 206, 304, 401, 404, 429, 500, 503])
_PAGES = st.one_of(st.tuples(_STATUSES, _BODIES, _HEADERS), _FAULTS)


def _serve(pages: list[object], sent: list[bytes]) -> Callable[[Handler], None]:
    """The pages in turn, the last one is repeated; records the bodies sent in full with 200."""
    remaining = list(pages)

    def behave(handler: Handler) -> None:
        page = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        if callable(page):
            page(handler)
            return
        status, body, headers = page  # type: ignore[misc]
        has_body = status not in {204, 304}
        encoded = {name: str(value).encode("latin-1", "ignore").decode("latin-1")
                   for name, value in headers.items()}  # fmt: skip
        if status == 200 and "Content_Encoding" not in headers and body:
            sent.append(body)
        reply(body if has_body else b"", status, **encoded)(handler)

    return behave


@given(
    pages=st.lists(_PAGES, min_size=1, max_size=6),
    place=st.sampled_from(PLACES),
    attempts=st.sampled_from([1, 2]),
)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_poll__ends_in_time_and_archives_what_it_received(
    pages: list[object], place: str, attempts: int
) -> None:
    sent: list[bytes] = []
    with Loopback() as server:
        behaviour = _serve(pages, sent)
        server.behaviours |= dict.fromkeys([*PLACES, "x"], behaviour)
        began = time.monotonic()
        header, parts = poll(
            feed(server, place, attempts=attempts, max_pages=MAX_PAGES, place_timeout_s=BUDGET_S,
                 poll_budget_s=BUDGET_S, max_place_bytes=10**6)
        )  # fmt: skip
        assert time.monotonic() - began < BUDGET_S + SLACK_S
        # Each page with its attempts, each with up to three redirects.
        assert len(server.received) <= MAX_PAGES * attempts * 4
    assert 1 <= len(parts) <= MAX_PAGES + 1
    assert [part.part for part in parts] == list(range(len(parts)))
    assert all(is_good(part.outcome) for part in parts[:-1]), "an error is the last part"
    # An attempt that is repeated leaves no part, and a last one may be cut off while it is read.
    received = [part.body for part in parts if part.body and part.http_status == 200]
    if attempts == 1:
        assert [body for body in received if body in sent] == sent[: len(received)]
        assert len(sent) - len(received) <= 1
    lake = MemoryLake()
    key, _ = archive(lake, header, parts)
    tables = flatten(list(read_places(lake, [key])))
    assert_sound(tables)
    (row,) = rows(tables, "flat_polls")
    if not all(is_good(part.outcome) for part in parts):
        assert not is_good(row["outcome"]) and row["station_count"] == 0

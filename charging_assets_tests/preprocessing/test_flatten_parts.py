"""Answers of several responses, and responses that repeat an earlier one (HTTP 304)."""

from __future__ import annotations

import itertools
import json
import random
from datetime import timedelta
from typing import Any

import pytest

from charging_assets.archive import raw_archive
from charging_assets.archive.raw_archive import archive, not_modified, read_places, stream_places
from charging_assets.archive.raw_objects import PlaceResponse, Poll
from charging_assets.lake.memory import MemoryLake
from charging_assets.preprocessing.answers import AnswerSelector
from charging_assets.preprocessing.flatten import FlatHour, flatten
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets_tests.acquisition import paged_kind
from charging_assets_tests.builders import SLOT, evse, place, poll, station
from charging_assets_tests.preprocessing.flat_hours import assert_sound, one, rows

URL = "https://api.example/whole"


def page(*stations: Any) -> bytes:
    return json.dumps({"data": list(stations)}).encode()


def flat(*polls: tuple[Poll, list[PlaceResponse]], seed: int = 0) -> FlatHour:
    """Polls as flat tables, read from the archive in any order."""
    lake = MemoryLake()
    keys = [archive(lake, header, parts)[0] for header, parts in polls]
    random.Random(seed).shuffle(keys)
    hour = flatten(list(read_places(lake, keys)))
    assert_sound(hour)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw_archive, "_EAGER_BYTES", 0)
        of_large_places = flatten(stream_places(lake, keys))
    for table in FLAT_TABLES:
        assert of_large_places[table.name].equals(hour[table.name]), table.name
    return hour


def at(minute: int, second: int = 0) -> Poll:
    begun = SLOT + timedelta(minutes=minute, seconds=second)
    return poll(minute, kind=paged_kind.NAME, started_at=begun)


def part(number: int, body: bytes | None, outcome: str = "ok", **fields: Any) -> PlaceResponse:
    requested_at = SLOT + timedelta(minutes=fields.pop("minute", 0), seconds=number)
    return place(
        "koeln", body, outcome, part=number, requested_at=requested_at, elapsed_ms=100,
        http_status=200, **fields,
    )  # fmt: skip


def test_flatten__the_pages_of_a_poll_are_one_answer() -> None:
    pages = [part(n, page(station(f"s{n}"), station(f"t{n}"))) for n in range(11)]
    for seed in range(3):
        random.Random(seed).shuffle(pages)
        hour = flat((at(0), pages))
        row = one(hour, "flat_polls")
        assert (row["outcome"], row["answer_count"], row["station_count"]) == ("ok", 1, 22)
        assert (row["elapsed_ms"], row["requested_at"]) == (1100, SLOT.replace(tzinfo=None))
        assert row["body_bytes"] == sum(len(each.body or b"") for each in pages)


@pytest.mark.parametrize("bad", range(3))
@pytest.mark.parametrize("outcome", ["http_error", "timeout", "bad_body", "repeated_page"])
def test_flatten__an_answer_that_lacks_a_page_is_incomplete(bad: int, outcome: str) -> None:
    good = [part(n, page(station(f"s{n}"))) for n in range(3)]
    parts = [
        part(n, b"<html>", outcome, detail="why") if n == bad else each
        for n, each in enumerate(good)
    ]
    hour = flat((at(0), parts), (at(10), good))
    first, second = rows(hour, "flat_polls")
    assert (first["outcome"], first["station_count"]) == ("incomplete", 0)
    assert (second["outcome"], second["station_count"]) == ("ok", 3)
    reject = one(hour, "flat_rejects")
    assert (reject["code"], reject["severity"]) == ("incomplete", "body")
    assert reject["fragment"] == f'"response {bad + 1} of 3: {outcome}, why"'
    assert {row["slot_at"] for row in rows(hour, "flat_status")} == {second["slot_at"]}


def test_flatten__an_answer_without_any_page_has_the_outcome_of_the_first() -> None:
    hour = flat((at(0), [part(0, None, "timeout")]))
    assert one(hour, "flat_polls")["outcome"] == "timeout"
    assert rows(hour, "flat_rejects") == []


def test_flatten__a_complete_answer_of_a_slot_counts_and_not_an_earlier_incomplete_one() -> None:
    incomplete = (at(0, 1), [part(0, page(station("a"))), part(1, b"", "http_error")])
    whole = (at(0, 2), [part(2, page(station("b"))), part(3, page(station("c")))])
    for polls in itertools.permutations([incomplete, whole]):
        hour = flat(*polls)
        row = one(hour, "flat_polls")
        assert (row["outcome"], row["answer_count"], row["station_count"]) == ("ok", 2, 2)


def same(minute: int, etag: str = '"1"', number: int = 0, url: str = URL) -> PlaceResponse:
    """A 304 that repeats the body with an ETag."""
    fields: dict[str, Any] = {"url": url, "headers": {"ETag": etag}, "minute": minute}
    response = part(number, None, "not_modified", **fields)
    return PlaceResponse(**{**_fields(response), "http_status": 304})


def _fields(response: PlaceResponse) -> dict[str, Any]:
    return {name: getattr(response, name) for name in response.__struct_fields__}


def new(minute: int, body: bytes, etag: str = '"1"', number: int = 0) -> PlaceResponse:
    return part(number, body, url=URL, headers={"ETag": etag}, minute=minute)


def test_flatten__a_304_repeats_the_body_of_its_etag() -> None:
    first = page(station("s", [evse("e", status="AVAILABLE")]))
    second = page(station("s", [evse("e", status="CHARGING")]))
    polls = [
        (at(0), [new(0, first)]),
        (at(10), [same(10)]),
        (at(20), [new(20, second, '"2"')]),
        (at(30), [same(30, '"2"')]),
        (at(40), [same(40, '"2"')]),
        (at(50), [new(50, first, '"1"')]),
    ]
    repeated = [
        (header, [new(header.slot_at.minute, first if n in {0, 1, 5} else second)])
        for n, (header, _) in enumerate(polls)
    ]
    hour, plain = flat(*polls, seed=1), flat(*repeated, seed=2)
    assert [(row["outcome"], row["http_status"]) for row in rows(hour, "flat_polls")] == [
        ("ok", 200), ("not_modified", 304), ("ok", 200), ("not_modified", 304),
        ("not_modified", 304), ("ok", 200),
    ]  # fmt: skip
    # Everything else is as if each poll had been answered in full.
    for table in ("flat_status", "flat_stations", "flat_evses", "flat_connectors"):
        assert rows(hour, table) == rows(plain, table)
    counts = ("station_count", "evse_count", "connector_count", "schema_fingerprint")
    assert [[row[name] for name in counts] for row in rows(hour, "flat_polls")] == [
        [row[name] for name in counts] for row in rows(plain, "flat_polls")
    ]


def test_flatten__a_304_repeats_the_body_it_named_and_not_the_newest() -> None:
    """Another poller has archived a newer body meanwhile."""
    one_body, two = page(station("one")), page(station("two"))
    hour = flat((at(0), [new(0, one_body)]), (at(10), [new(10, two, '"2"')]), (at(20), [same(20)]))
    names = {row["station_id"]: row["poll_count"] for row in rows(hour, "flat_stations")}
    assert names == {"one": 2, "two": 1}


def test_answers__only_bodies_that_are_repeated_stay_in_memory() -> None:
    whole = page(station("s"))
    polls = [
        (at(0), [new(0, whole, '"1"')]),
        (at(10), [new(10, whole, '"2"')]),
        (at(20), [same(20, '"1"')]),
        (at(30), [new(30, whole, '"3"')]),
    ]
    lake = MemoryLake()
    keys = [archive(lake, header, parts)[0] for header, parts in polls]
    ((_, _, answers),) = read_places(lake, keys)
    selector = AnswerSelector(lambda _: paged_kind, lambda: not_modified(answers))
    selected = [selector.select([answer]) for answer in answers]
    assert [len(each.envelope.stations) for each in selected if each.envelope] == [1, 1, 1, 1]
    assert [each.answer.place.body for each in selected] == [None] * 4
    assert [etag for _, etag, _ in selector._bodies] == ['"1"']


@pytest.mark.parametrize(
    "before",
    [
        [],
        [(at(0), [new(0, page(station("s")), '"other"')])],
        [(at(0), [part(0, page(station("s")))])],
        [(at(0), [part(0, None, "timeout")])],
    ],
)
def test_flatten__a_304_without_its_body_is_no_answer(before: list[Any]) -> None:
    hour = flat(*before, (at(10), [same(10)]))
    row = rows(hour, "flat_polls")[-1]
    assert (row["outcome"], row["station_count"]) == ("base_missing", 0)
    assert [reject["code"] for reject in rows(hour, "flat_rejects")] == ["base_missing"]


def test_flatten__documents_of_a_place_may_be_repeated_one_by_one() -> None:
    a, b, c = page(station("a")), page(station("b")), page(station("c"))
    urls = [f"{URL}-a", f"{URL}-b"]

    def whole(number: int, body: bytes, etag: str, minute: int) -> PlaceResponse:
        return part(number, body, url=urls[number], headers={"ETag": etag}, minute=minute)

    hour = flat(
        (at(0), [whole(0, a, '"a"', 0), whole(1, b, '"b"', 0)]),
        (at(10), [same(10, '"a"', 0, urls[0]), whole(1, c, '"c"', 10)]),
        (at(20), [same(20, '"a"', 0, urls[0]), same(20, '"c"', 1, urls[1])]),
    )
    outcomes = [row["outcome"] for row in rows(hour, "flat_polls")]
    assert outcomes == ["ok", "ok", "not_modified"]
    counts = {row["station_id"]: row["poll_count"] for row in rows(hour, "flat_stations")}
    assert counts == {"a": 3, "b": 1, "c": 2}

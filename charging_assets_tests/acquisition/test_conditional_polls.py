"""Conditional requests: what is asked depends on the archived hour, and every hour stands alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from charging_assets.acquisition.poll import poll
from charging_assets.archive.raw_archive import archive, hour_keys, read_places
from charging_assets.hours import Hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.preprocessing.flatten import flatten
from charging_assets_tests.acquisition import loopback
from charging_assets_tests.acquisition.loopback import Handler, Loopback, reply
from charging_assets_tests.acquisition.test_place_poll import feed
from charging_assets_tests.builders import evse, station
from charging_assets_tests.preprocessing.flat_hours import rows

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


class Document:
    """A document with validators that answers 304 as a server should."""

    def __init__(self, body: bytes, **headers: object) -> None:
        self.body, self.headers, self.version = body, headers, 1
        self.unchanged_headers: dict[str, object] = {}
        self.conditions: list[tuple[str | None, str | None]] = []

    def __call__(self, handler: Handler) -> None:
        tag = f'"{self.version}"'
        match, since = (handler.headers.get(n) for n in ("If-None-Match", "If-Modified-Since"))
        self.conditions.append((match, since))
        if match == tag:
            reply(b"", 304, **self.unchanged_headers)(handler)
        else:
            reply(self.body, ETag=tag, **self.headers)(handler)


def body(status: str = "AVAILABLE") -> bytes:
    return json.dumps({"data": [station("s", [evse("e", status=status)])]}).encode()


def poll_at(lake: MemoryLake, server: Loopback, minute: int, **settings: Any) -> list[str]:
    """Poll the place `whole` at a minute after noon, archive it; the outcomes."""
    now = NOON + timedelta(minutes=minute)
    header, places = poll(feed(server, "whole", **settings), lake=lake, now=lambda: now)
    archive(lake, header, places)
    return [place.outcome for place in places]


@pytest.mark.fault(
    "The source answers 304 Not Modified",
    "the poll is good and repeats the body; the first poll of each hour is unconditional",
    area="answers",
)
def test_poll__is_conditional_within_the_hour_and_unconditional_in_its_first_poll(
    server: Loopback,
) -> None:
    lake = MemoryLake()
    modified = "Wed, 01 May 2024 11:00:00 GMT"
    server.behaviours["whole"] = document = Document(body(), Last_Modified=modified)
    found = [poll_at(lake, server, minute) for minute in (0, 10, 20)]
    document.version, document.body = 2, body("CHARGING")
    found += [poll_at(lake, server, minute) for minute in (30, 40, 60, 70)]
    assert found == [["ok"], ["not_modified"], ["not_modified"], ["ok"], ["not_modified"],
                     ["ok"], ["not_modified"]]  # fmt: skip
    assert document.conditions == [
        (None, None), ('"1"', modified), ('"1"', modified), ('"1"', modified),
        ('"2"', modified), (None, None), ('"2"', modified),
    ]  # fmt: skip
    # Each hour alone, from its own objects.
    for hour, slots in ((Hour.of(NOON), 5), (Hour.of(NOON + timedelta(hours=1)), 2)):
        tables = flatten(list(read_places(lake, hour_keys(lake, ["test"], hour))))
        polls = rows(tables, "flat_polls")
        assert [row["evse_count"] for row in polls] == [1] * slots
        assert {row["outcome"] for row in polls} == {"ok", "not_modified"}
        assert sum(row["poll_count"] for row in rows(tables, "flat_stations")) == slots


@pytest.mark.parametrize(
    "first",
    [
        reply(b"no", 500, ETag='"1"'),
        reply(b'{"status_code": 2000}', ETag='"1"'),
        reply(b"<html>", ETag='"1"'),
        loopback.truncated(),
        reply(body()),
        reply(body(), ETag='"%s"' % ("x" * 2000)),
    ],
    ids=["http error", "error with status 200", "html", "truncated", "no ETag", "too long an ETag"],
)
def test_poll__is_unconditional_after_an_answer_that_cannot_be_repeated(
    server: Loopback, first: loopback.Behaviour
) -> None:
    lake, document = MemoryLake(), Document(body())
    server.behaviours["whole"] = loopback.sequence(first, document)
    poll_at(lake, server, 0)
    assert poll_at(lake, server, 10) == ["ok"]
    assert document.conditions == [(None, None)]


def test_poll__repeats_the_newest_good_answer_although_a_failure_came_after_it(
    server: Loopback,
) -> None:
    lake, document = MemoryLake(), Document(body())
    server.behaviours["whole"] = loopback.sequence(document, reply(b"", 500), document)
    assert [poll_at(lake, server, minute) for minute in (0, 10, 20)] == [
        ["ok"], ["http_error"], ["not_modified"],
    ]  # fmt: skip


def test_poll__a_304_that_was_not_asked_for_is_an_error(server: Loopback) -> None:
    server.behaviours["whole"] = reply(b"", 304)
    assert poll_at(MemoryLake(), server, 0) == ["http_error"]


def test_poll__is_unconditional_without_an_archive_or_with_a_damaged_one(server: Loopback) -> None:
    lake, document = MemoryLake(), Document(body())
    server.behaviours["whole"] = document
    poll_at(lake, server, 0)
    (key,) = lake.keys("raw/")
    lake.objects[key] = lake.objects[key][:-9]
    assert poll_at(lake, server, 10) == ["ok"]
    poll(feed(server, "whole"))
    assert document.conditions == [(None, None)] * 3


def test_poll__of_another_kind_or_an_import_is_not_repeated(server: Loopback) -> None:
    lake, document = MemoryLake(), Document(body())
    server.behaviours["whole"] = document
    header, places = poll(feed(server, "whole"), now=lambda: NOON)
    from msgspec.structs import replace

    archive(lake, replace(header, is_imported=True), places)
    archive(lake, replace(header, kind="chargecloud"), places)
    assert poll_at(lake, server, 10) == ["ok"]


def test_poll__documents_of_a_place_are_conditional_one_by_one(server: Loopback) -> None:
    lake = MemoryLake()
    a, b = Document(body()), Document(json.dumps({"data": [station("t")]}).encode())
    server.behaviours |= {"two-a": a, "two-b": b}

    def poll_two(minute: int) -> list[str]:
        now = NOON + timedelta(minutes=minute)
        header, places = poll(feed(server, "two"), lake=lake, now=lambda: now)
        archive(lake, header, places)
        return [place.outcome for place in places]

    assert poll_two(0) == ["ok", "ok"]
    b.version, b.body = 2, json.dumps({"data": [station("u")]}).encode()
    assert poll_two(10) == ["not_modified", "ok"]
    assert poll_two(20) == ["not_modified", "not_modified"]
    tables = flatten(list(read_places(lake, hour_keys(lake, ["test"], Hour.of(NOON)))))
    counts = {row["station_id"]: row["poll_count"] for row in rows(tables, "flat_stations")}
    assert counts == {"s": 3, "t": 1, "u": 2}


def test_poll__a_304_with_another_validator_repeats_the_answer_that_was_named(
    server: Loopback,
) -> None:
    """A proxy may remove a validator from a transformed answer, and not from a 304."""
    document = server.behaviours["whole"] = Document(body())
    document.unchanged_headers = {"Last_Modified": "Wed, 01 May 2024 10:00:00 GMT"}
    lake = MemoryLake()
    outcomes = [poll_at(lake, server, minute) for minute in (0, 10, 20)]
    assert outcomes == [["ok"], ["not_modified"], ["not_modified"]]
    places = read_places(lake, hour_keys(lake, ["test"], Hour.of(NOON)))
    polls = rows(flatten(places), "flat_polls")
    assert [row["outcome"] for row in polls] == ["ok", "not_modified", "not_modified"]


def test_poll__an_unusable_part_beside_an_unchanged_one_is_requested_again(
    server: Loopback,
) -> None:
    lake = MemoryLake()
    a, b = Document(body()), Document(json.dumps({"data": [station("t")]}).encode())
    server.behaviours |= {"two-a": a, "two-b": b}
    for minute in (0, 10, 20):
        now = NOON + timedelta(minutes=minute)
        header, places = poll(feed(server, "two"), lake=lake, now=lambda now=now: now)
        archive(lake, header, places)
        b.version, b.body = 2, b'{"status_code": 2000}'
    assert [condition for condition, _ in b.conditions] == [None, '"1"', '"1"']

"""Histories: valid raw objects, with the same bytes in each run."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from charging_assets.archive import raw_archive
from charging_assets.archive.raw_objects import RAW, ArchivedResponse
from charging_assets.hours import Hour, slot_of
from charging_assets.lake.memory import MemoryLake
from charging_assets.simulator import (
    DEFAULT_START,
    FEED,
    HistoryReport,
    Network,
    Polling,
    write_history,
)
from charging_assets.simulator.history import poll_at

SMALL = 0.04


def hour(number: int) -> Hour:
    return Hour(DEFAULT_START + timedelta(hours=number))


def write(start: int, end: int, lake: MemoryLake | None = None, **options: object) -> MemoryLake:
    lake = lake or MemoryLake()
    write_history(lake, Network(6, SMALL, **options), hour(start), hour(end))
    return lake


@pytest.fixture(scope="module")
def half_day() -> MemoryLake:
    return write(0, 12)


def answers(lake: MemoryLake) -> list[ArchivedResponse]:
    return [answer for key in lake.keys(RAW) for answer in raw_archive.read(lake, key)]


def test_write_history__of_half_a_day__has_every_slot_once(half_day: MemoryLake) -> None:
    slots = sorted({answer.poll.slot_at for answer in answers(half_day)})
    assert slots == [DEFAULT_START + timedelta(minutes=10 * step) for step in range(72)]
    assert len(half_day.objects) == 72
    assert list(raw_archive.hours_archived(half_day)) == [hour(number) for number in range(12)]


def test_write_history__always__is_marked_as_simulated(half_day: MemoryLake) -> None:
    assert FEED == "simulated"
    assert raw_archive.feeds_archived(half_day) == ["simulated"]
    for answer in answers(half_day):
        poll = answer.poll
        assert (poll.feed, poll.kind, poll.cadence_s) == ("simulated", "chargecloud", 600)
        assert poll.time_zone == "Europe/Berlin"
        assert poll.origin == f"simulator seed=6 scale={SMALL}"
        assert poll.program.endswith(" simulator")


def test_write_history__of_any_poll__has_times_in_order(half_day: MemoryLake) -> None:
    for answer in answers(half_day):
        poll, place = answer.poll, answer.place
        assert slot_of(poll.started_at, timedelta(seconds=poll.cadence_s)) == poll.slot_at
        assert poll.started_at <= place.requested_at
        answered_at = place.requested_at + timedelta(milliseconds=place.elapsed_ms)
        assert answered_at <= poll.ended_at < poll.slot_at + timedelta(minutes=10)
        if place.outcome == "ok":
            stamp = datetime.fromisoformat(json.loads(place.body)["timestamp"])
            assert stamp == answered_at.replace(microsecond=0)


def test_write_history__in_parts_and_backwards__gives_the_same_bytes(half_day: MemoryLake) -> None:
    lake = write(7, 12)
    write(0, 7, lake)
    assert lake.objects == half_day.objects


def test_write_history__across_many_days_in_parts__gives_the_same_bytes() -> None:
    whole, parts = MemoryLake(), MemoryLake()
    write_history(whole, Network(8, 0.02), hour(94), hour(98))
    for start, end in ((96, 97), (97, 98), (94, 96)):
        write_history(parts, Network(8, 0.02), hour(start), hour(end))
    assert whole.objects == parts.objects


def test_write_history__twice__writes_nothing_new(half_day: MemoryLake) -> None:
    before = dict(half_day.objects)
    report = write_history(half_day, Network(6, SMALL), hour(3), hour(5))
    assert report == HistoryReport(0, 12, 0, report.failed_places, 0)
    assert half_day.objects == before


def test_write_history__with_progress__reports_every_slot() -> None:
    slots: list[datetime] = []
    report = write_history(
        MemoryLake(), Network(scale=0.001), hour(0), hour(1), progress=slots.append
    )
    assert slots == [DEFAULT_START + timedelta(minutes=10 * step) for step in range(6)]
    assert report.polls == 6
    assert report.written_bytes > 1000


def test_write_history__with_missed_polls__leaves_gaps() -> None:
    lake = MemoryLake()
    polling = Polling(missed=0.3)
    report = write_history(lake, Network(scale=0.001), hour(0), hour(12), polling=polling)
    assert report.polls + report.missed == 72
    assert 8 < report.missed < 40
    assert len(lake.objects) == report.polls


def test_write_history__with_failed_places__keeps_their_bodies() -> None:
    lake = MemoryLake()
    polling = Polling(failed=0.2)
    report = write_history(lake, Network(scale=0.001), hour(0), hour(3), polling=polling)
    failed = [answer.place for answer in answers(lake) if answer.place.outcome != "ok"]
    assert len(failed) == report.failed_places
    assert 60 < len(failed) < 220
    assert {(place.outcome, place.http_status) for place in failed} == {("http_error", 503)}
    assert all(place.body.startswith(b"<html>") for place in failed)


def test_polling__that_runs_into_the_next_slot__is_refused() -> None:
    with pytest.raises(ValueError, match="next slot"):
        Polling(jitter_s=300, spread_s=290)


@pytest.mark.parametrize(
    ("first", "local_hours"),
    [("2025-03-29T23", 23), ("2025-10-25T22", 25)],
)
def test_poll_at__through_a_dst_day__has_every_local_hour(first: str, local_hours: int) -> None:
    network, start = Network(scale=0.001), Hour.parse(first).start
    stamps = []
    for number in range(local_hours):
        _, places = poll_at(network, start + timedelta(hours=number), Polling(failed=0.0))
        stamps += [datetime.fromisoformat(json.loads(place.body)["timestamp"]) for place in places]
    assert len({(stamp.hour, stamp.utcoffset()) for stamp in stamps}) == local_hours
    assert len({stamp.date() for stamp in stamps}) == 1
    assert {stamp.utcoffset() for stamp in stamps} == {timedelta(hours=1), timedelta(hours=2)}

"""An hour of the archive: listed or polled, never filled with another hour's answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Barrier, Event, Lock

import pytest

from charging_assets.acquisition.poll_hour import (
    MAX_FEEDS_AT_ONCE,
    NoArchivedPolls,
    PollReport,
    current_hour,
    find_hour,
    names,
    poll_hour,
)
from charging_assets.archive.missed_slots import missed_slots, record_missed
from charging_assets.archive.raw_archive import feed_of, hour_keys, hours_archived, read
from charging_assets.archive.raw_objects import PlaceResponse, Poll
from charging_assets.hours import Hour, slot_of
from charging_assets.lake.memory import MemoryLake
from charging_assets.sources.feeds import Feed
from charging_assets_tests.builders import archived, place, poll

NOON = Hour.parse("2022-01-11T12")
ONE = Hour.parse("2022-01-11T13")


def at(time: str) -> datetime:
    return datetime.fromisoformat(f"2022-01-11T{time}+00:00")


def feeds(*named: str, enabled: bool = True) -> dict[str, Feed]:
    return {
        name: Feed(
            name=name, kind="chargecloud", base_url="https://example.org", places=("koeln",),
            enabled=enabled,
        )
        for name in named
    }  # fmt: skip


def polling(
    begun: str, ended: str = "", **places: PlaceResponse
) -> Callable[[Feed], tuple[Poll, list[PlaceResponse]]]:
    """A poller whose polls begin and end at these times."""

    def poller(feed: Feed) -> tuple[Poll, list[PlaceResponse]]:
        started_at = at(begun)
        header = poll(
            feed=feed.name, slot_at=slot_of(started_at, feed.cadence), started_at=started_at,
            ended_at=at(ended or begun),
        )  # fmt: skip
        return header, list(places.values()) or [place("koeln", b"{}")]

    return poller


def test_find_hour__a_past_hour_without_polls_names_the_remedy() -> None:
    with pytest.raises(NoArchivedPolls, match=r"2022-01-11T12.*never.*charging-assets import"):
        find_hour(MemoryLake(), NOON)


def test_find_hour__takes_no_polls_of_its_neighbours() -> None:
    lake = MemoryLake()
    archived(lake, poll(slot_at=at("11:59:59.999999")), {"koeln": b"{}"})
    archived(lake, poll(slot_at=at("13:00")), {"koeln": b"{}"})
    with pytest.raises(NoArchivedPolls):
        find_hour(lake, NOON)


def test_find_hour__has_all_feeds_and_a_digest_of_what_there_is() -> None:
    lake = MemoryLake()
    first = archived(lake, poll(slot_at=at("12:00"), feed="b"), {"koeln": b"{}"})
    before = find_hour(lake, NOON)
    assert before.keys == (first,)
    assert find_hour(lake, NOON).digest == before.digest
    second = archived(lake, poll(slot_at=at("12:50"), feed="a"), {"koeln": b"{}"})
    after = find_hour(lake, NOON)
    assert after.keys == tuple(sorted([first, second]))
    assert after.digest != before.digest


def test_poll_hour__a_poll_belongs_to_the_slot_in_which_it_began() -> None:
    lake = MemoryLake()
    report = poll_hour(lake, feeds("f"), NOON, poller=polling("12:59:59", "13:00:10"))
    assert list(hours_archived(lake)) == [NOON]
    (answer,) = read(lake, report.written[0])
    assert answer.poll.slot_at == at("12:50")
    assert (report.late, missed_slots(lake)) == ({}, [])


@pytest.mark.fault(
    "A poll begins late",
    "it is archived under the slot in which it began, and the planned slot is recorded as missed",
    area="time",
)
def test_poll_hour__a_late_poll_is_archived_under_its_hour_and_the_slot_is_missed() -> None:
    lake = MemoryLake()
    report = poll_hour(lake, feeds("f"), NOON, poller=polling("13:00:01"), planned_at=at("12:50"))
    assert list(hours_archived(lake)) == [ONE]
    assert hour_keys(lake, ["f"], ONE) == report.written
    assert report.late == {"f": "2022-01-11T13:00:00+00:00"}
    (note,) = missed_slots(lake)
    assert (note["feed"], note["slot_at"]) == ("f", "2022-01-11T12:50:00+00:00")
    assert "13:00:01" in note["reason"]
    with pytest.raises(NoArchivedPolls):
        find_hour(lake, NOON)


def test_poll_hour__a_poll_outside_its_hour_is_late_though_no_slot_was_planned() -> None:
    lake = MemoryLake()
    report = poll_hour(lake, feeds("f"), NOON, poller=polling("13:00:01"))
    assert report.late == {"f": "2022-01-11T13:00:00+00:00"}
    assert [note["slot_at"] for note in missed_slots(lake)] == ["2022-01-11T12:00:00+00:00"]


def test_poll_hour__a_poll_late_by_a_slot_is_reported_as_late() -> None:
    lake = MemoryLake()
    report = poll_hour(lake, feeds("f"), NOON, poller=polling("12:31"), planned_at=at("12:20"))
    assert list(hours_archived(lake)) == [NOON]
    assert report.late == {"f": "2022-01-11T12:30:00+00:00"}
    assert [note["slot_at"] for note in missed_slots(lake)] == ["2022-01-11T12:20:00+00:00"]


def test_poll_hour__a_slot_that_another_run_has_polled_was_not_missed() -> None:
    lake = MemoryLake()
    poll_hour(lake, feeds("f"), NOON, poller=polling("12:50:01"), planned_at=at("12:50"))
    report = poll_hour(lake, feeds("f"), NOON, poller=polling("13:00:01"), planned_at=at("12:50"))
    assert len(report.written) == 1
    assert missed_slots(lake) == []


def test_poll_hour__one_feeds_failure_leaves_the_others() -> None:
    def poller(feed: Feed) -> tuple[Poll, list[PlaceResponse]]:
        if feed.name == "b":
            raise ConnectionError("no route")
        return polling("12:00:01")(feed)

    lake = MemoryLake()
    report = poll_hour(lake, feeds("a", "b", "c"), NOON, poller=poller)
    assert report.failed_feeds == {"b": "ConnectionError: no route"}
    assert [key.split("/")[1] for key in report.written] == ["feed=a", "feed=c"]


def test_poll_hour__places_that_failed_are_named_and_archived() -> None:
    lake = MemoryLake()
    poller = polling("12:00:01", a=place("a", b"{}"), b=place("b", None, "timeout"))
    report = poll_hour(lake, feeds("f"), NOON, poller=poller)
    assert report.degraded == {"f": {"b": "timeout"}}
    assert [answer.place.outcome for answer in read(lake, report.written[0])] == ["ok", "timeout"]


def test_poll_hour__disabled_feeds_are_not_polled() -> None:
    def poller(feed: Feed) -> tuple[Poll, list[PlaceResponse]]:
        raise AssertionError(feed.name)

    report = poll_hour(MemoryLake(), feeds("f", enabled=False), NOON, poller=poller)
    assert (report.written, report.failed_feeds) == ([], {})


def test_record_missed__is_noted_once_with_its_first_reason() -> None:
    lake = MemoryLake()
    for reason in ("first", "second"):
        record_missed(lake, "f", at("12:50"), reason)
    record_missed(lake, "e", at("12:40"), "other")
    assert missed_slots(lake) == [
        {"feed": "e", "slot_at": "2022-01-11T12:40:00+00:00", "reason": "other"},
        {"feed": "f", "slot_at": "2022-01-11T12:50:00+00:00", "reason": "first"},
    ]
    # What was missed is no archived poll.
    with pytest.raises(NoArchivedPolls):
        find_hour(lake, NOON)


def test_running_hour__is_of_the_clock() -> None:
    assert current_hour(at("12:59:59.999999")) == NOON
    assert current_hour(at("13:00")) == ONE


def test_names__are_sorted_for_messages() -> None:
    assert names(feeds("b", "a").values()) == "a, b"
    assert names([]) == "none"


def test_poll_hour__feeds_are_polled_side_by_side() -> None:
    """Each poll waits until all have begun: one after the other they would never end."""
    lake, names_ = MemoryLake(), ("a", "b", "c")
    begun = Barrier(len(names_))
    answer = polling("12:00:01")

    def poller(feed: Feed) -> tuple[Poll, list[PlaceResponse]]:
        begun.wait(timeout=20)
        return answer(feed)

    report = poll_hour(lake, feeds(*names_), NOON, poller=poller)
    assert report.outcomes == dict.fromkeys(names_, "archived")
    assert [feed_of(key) for key in report.written] == list(names_)


def test_poll_hour__a_feed_that_hangs_or_fails_costs_no_other() -> None:
    lake, others_are_archived = MemoryLake(), Event()
    answer = polling("12:00:01")

    def poller(feed: Feed) -> tuple[Poll, list[PlaceResponse]]:
        if feed.name == "failing":
            raise OSError("no route to host")
        if feed.name == "slow":
            assert others_are_archived.wait(timeout=20)
        else:
            threading.Timer(0.3, others_are_archived.set).start()
        return answer(feed)

    report = poll_hour(lake, feeds("slow", "failing", "quick"), NOON, poller=poller)
    assert report.outcomes == {
        "failing": "failed: OSError: no route to host", "quick": "archived", "slow": "archived"
    }  # fmt: skip


def test_poll_hour__no_more_feeds_at_once_than_the_limit() -> None:
    lake, lock, running, most = MemoryLake(), Lock(), [0], [0]
    answer = polling("12:00:01")

    def poller(feed: Feed) -> tuple[Poll, list[PlaceResponse]]:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1
        return answer(feed)

    many = [f"feed{number:02}" for number in range(2 * MAX_FEEDS_AT_ONCE)]
    report = poll_hour(lake, feeds(*many), NOON, poller=poller)
    assert len(report.written) == len(many)
    assert 1 < most[0] <= MAX_FEEDS_AT_ONCE


def _run_window(
    lake: MemoryLake,
    cadences_min: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
    *,
    begin: str = "12:00",
    planned: str = "12:00",
    took_s: dict[str, float] | None = None,
) -> tuple[PollReport, dict[str, list[str]]]:
    """A run of ten minutes on a clock of each thread; the minutes in which each feed was polled."""
    clock_of = threading.local()
    polled: dict[str, list[str]] = {name: [] for name in cadences_min}

    def now() -> datetime:
        return getattr(clock_of, "now", at(begin))

    def wait_until(instant: datetime) -> None:
        clock_of.now = max(now(), instant)

    def poller(each: Feed) -> tuple[Poll, list[PlaceResponse]]:
        started_at = now()
        polled[each.name].append(f"{started_at:%M:%S}")
        clock_of.now = started_at + timedelta(seconds=(took_s or {}).get(each.name, 1))
        header = poll(
            feed=each.name, slot_at=slot_of(started_at, each.cadence), started_at=started_at,
            ended_at=now(), cadence_s=int(each.cadence.total_seconds()),
        )  # fmt: skip
        return header, [place("koeln", b"{}")]

    monkeypatch.setattr("charging_assets.clock.utc_now", now)
    feeds_polled = {
        name: Feed(
            name=name, kind="chargecloud", base_url="https://example.org", places=("koeln",),
            cadence_s=60 * minutes, poll_budget_s=30,
        )
        for name, minutes in cadences_min.items()
    }  # fmt: skip
    report = poll_hour(
        lake, feeds_polled, NOON, poller=poller, planned_at=at(planned),
        window=timedelta(minutes=10), wait_until=wait_until,
    )  # fmt: skip
    return report, polled


def test_poll_hour__a_window_polls_each_feed_at_its_own_cadence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake = MemoryLake()
    cadences = {"one": 1, "five": 5, "ten": 10, "quarter": 15, "hour": 60}
    report, polled = _run_window(lake, cadences, monkeypatch)
    assert polled == {
        "one": [f"{minute:02}:00" for minute in range(10)],
        "five": ["00:00", "05:00"],
        "ten": ["00:00"],
        "quarter": ["00:00"],
        "hour": ["00:00"],
    }
    assert len(report.written) == 15 and missed_slots(lake) == []
    report, polled = _run_window(lake, cadences, monkeypatch, begin="12:10", planned="12:10")
    assert {name: len(minutes) for name, minutes in polled.items()} == {
        "one": 10, "five": 2, "ten": 1, "quarter": 1, "hour": 0,
    }  # fmt: skip
    assert polled["quarter"] == ["15:00"] and missed_slots(lake) == []


@pytest.mark.fault(
    "A poll run begins late, or one of its feeds is slow",
    "slots that are over are recorded as missed; the other feeds keep theirs",
    area="time",
)
def test_poll_hour__slots_that_are_over_are_missed_and_others_are_polled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake = MemoryLake()
    cadences = {"one": 1, "five": 5, "ten": 10}
    _, polled = _run_window(lake, cadences, monkeypatch, begin="12:03:30")
    assert polled["one"] == ["03:30", *(f"{minute:02}:00" for minute in range(4, 10))]
    assert (polled["five"], polled["ten"]) == (["03:30", "05:00"], ["03:30"])
    missed = [(note["feed"], note["slot_at"][14:16]) for note in missed_slots(lake)]
    assert missed == [("one", "00"), ("one", "01"), ("one", "02")]


def test_poll_hour__a_slow_feed_delays_its_own_slots_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake = MemoryLake()
    slow = {"slow": 130.0}
    _, polled = _run_window(lake, {"slow": 1, "one": 1}, monkeypatch, took_s=slow)
    assert len(polled["one"]) == 10
    assert polled["slow"] == ["00:00", "02:10", "04:20", "06:30", "08:40"]
    missed = [note for note in missed_slots(lake) if note["feed"] == "slow"]
    assert [note["slot_at"][14:16] for note in missed] == ["01", "03", "05", "07", "09"]
    assert {note["feed"] for note in missed_slots(lake)} == {"slow"}


def test_poll_hour__a_repeated_run_polls_only_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake = MemoryLake()
    _run_window(lake, {"one": 1}, monkeypatch)
    before = hour_keys(lake, ["one"], NOON)
    report, polled = _run_window(lake, {"one": 1}, monkeypatch)
    assert (polled["one"], report.already_polled) == ([], ["one"])
    assert hour_keys(lake, ["one"], NOON) == before and missed_slots(lake) == []


def test_poll_hour__many_slow_feeds_do_not_delay_a_fast_one() -> None:
    """More feeds than are polled at once hang; the fast one is polled meanwhile."""
    lake, release, fast_done = MemoryLake(), Event(), Event()
    answer = polling("12:00:01")

    def poller(each: Feed) -> tuple[Poll, list[PlaceResponse]]:
        if each.name == "zfast":
            fast_done.set()
        else:
            assert release.wait(60)
        return answer(each)

    many = feeds(*[f"slow{number:02}" for number in range(MAX_FEEDS_AT_ONCE + 3)])
    fast = Feed(
        name="zfast", kind="chargecloud", base_url="https://example.org", places=("koeln",),
        cadence_s=60, poll_budget_s=30,
    )  # fmt: skip
    run = threading.Thread(
        target=poll_hour,
        args=(lake, {**many, "zfast": fast}, NOON),
        kwargs={
            "poller": poller, "planned_at": at("12:00"), "window": timedelta(minutes=10),
            "wait_until": lambda _: None, "now": at("12:00:01"),
        },
    )  # fmt: skip
    run.start()
    assert fast_done.wait(30)
    release.set()
    run.join(60)
    assert not run.is_alive()

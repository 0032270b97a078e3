"""The spool: a lake that is away, full or unsure costs no poll and doubles none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from charging_assets.acquisition.archive import hours_archived, read
from charging_assets.acquisition.feeds import Feed
from charging_assets.acquisition.hour import PollReport, poll_hour
from charging_assets.acquisition.missed import missed_slots
from charging_assets.acquisition.raw_objects import Place, Poll
from charging_assets.acquisition.spool import Spool
from charging_assets.partitions import Hour
from charging_assets.storage.lake import LakeError
from charging_assets.storage.memory import MemoryLake
from charging_assets_tests.builders import place, poll

NOON = datetime(2022, 1, 11, 12, tzinfo=UTC)
TEN = timedelta(minutes=10)
FEED = Feed(name="f", kind="chargecloud", base_url="https://example.org", places=("koeln",))


class ShakyLake(MemoryLake):
    """A lake that can be away, or keep what it says it did not."""

    is_away = False
    loses_replies = False

    def put_new(self, key: str, body: bytes) -> bool:
        if self.is_away:
            raise LakeError("the lake is away")
        is_new = super().put_new(key, body)
        if self.loses_replies:
            raise LakeError("the reply was lost")
        return is_new


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def poll_slot(lake: MemoryLake, spool: Spool, number: int) -> PollReport:
    """The poll of a slot, planned and begun then."""
    slot = NOON + number * TEN

    def ask(feed: Feed) -> tuple[Poll, list[Place]]:
        return poll(feed=feed.name, slot_at=slot), [place("koeln", b"{}")]

    return poll_hour(
        lake, {"f": FEED}, Hour.of(slot), poller=ask, planned_at=slot, spool=spool, now=slot
    )


def slots(lake: MemoryLake) -> list[int]:
    polls = [next(read(lake, key)).poll for keys in hours_archived(lake).values() for key in keys]
    return [(found.slot_at - NOON) // TEN for found in polls]


@pytest.mark.fault(
    "The lake is away for an hour",
    "polls wait on this machine and are archived once, each under its own slot",
    area="storage",
)
def test_spool__an_hour_without_a_lake_is_archived_when_it_is_back(spool: Spool) -> None:
    lake = ShakyLake()
    poll_slot(lake, spool, 0)
    lake.is_away = True
    for number in range(1, 7):
        report = poll_slot(lake, spool, number)
        assert report.spooled == {"f": "LakeError: the lake is away"}
        assert (report.written, report.failed_feeds) == ([], {})
    assert (len(spool.waiting()), slots(lake)) == (6, [0])
    lake.is_away = False
    report = poll_slot(lake, spool, 7)
    assert (len(report.drained.archived), report.drained.waiting) == (6, 0)
    assert (spool.waiting(), slots(lake)) == ([], list(range(8)))
    assert missed_slots(lake) == []


@pytest.mark.fault(
    "The reply to a PUT is lost",
    "the poll is archived once",
    area="storage",
)
def test_spool__a_lost_reply_archives_a_poll_once(spool: Spool) -> None:
    lake = ShakyLake()
    lake.loses_replies = True
    assert poll_slot(lake, spool, 0).spooled
    lake.loses_replies = False
    poll_slot(lake, spool, 1)
    assert (slots(lake), spool.waiting()) == ([0, 1], [])


def spooled(spool: Spool, count: int) -> ShakyLake:
    """A lake that was away for so many polls, and still is."""
    lake = ShakyLake()
    lake.is_away = True
    for number in range(count):
        poll_slot(lake, spool, number)
    return lake


def test_drain__of_a_lake_that_is_away_keeps_all(spool: Spool) -> None:
    lake = spooled(spool, 3)
    done = spool.drain(lake)
    assert (done.archived, done.waiting) == ([], 3)
    assert list(done.failed) == spool.waiting()
    assert done.told() == f"{spool.waiting()[0]}: LakeError: the lake is away, and 2 more"
    lake.is_away = False
    assert spool.drain(lake).waiting == 0
    assert slots(lake) == [0, 1, 2]


@pytest.mark.fault(
    "A poll that the lake will not take",
    "it waits, is named, and holds no other",
    area="storage",
)
def test_drain__goes_on_past_a_poll_that_fails_and_says_which(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = spooled(spool, 3)
    lake.is_away = False
    oldest = spool.waiting()[0]
    takes = lake.put_new

    def refuse(key: str, body: bytes) -> bool:
        if key == oldest:
            raise LakeError("no such folder")
        return takes(key, body)

    monkeypatch.setattr(lake, "put_new", refuse)
    done = spool.drain(lake)
    assert (len(done.archived), done.waiting) == (2, 1)
    assert done.failed == {oldest: "LakeError: no such folder"}
    assert (spool.waiting(), slots(lake)) == ([oldest], [1, 2])
    monkeypatch.undo()
    assert spool.drain(lake).archived == [oldest]
    assert slots(lake) == [0, 1, 2]


def test_drain__what_another_drain_has_archived_meanwhile_is_no_failure(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = spooled(spool, 3)
    lake.is_away = False
    first, second, third = spool.waiting()
    takes = lake.put_new

    def meanwhile(key: str, body: bytes) -> bool:
        if key == first:
            assert takes(second, (spool.folder / second).read_bytes())
            (spool.folder / second).unlink()
        return takes(key, body)

    monkeypatch.setattr(lake, "put_new", meanwhile)
    done = spool.drain(lake)
    assert (done.archived, done.failed, done.waiting) == ([first, third], {}, 0)
    assert slots(lake) == [0, 1, 2]


@pytest.mark.fault(
    "A poll that the lake will not take",
    area="storage",
)
def test_drain__does_not_lose_more_time_than_it_may_on_a_lake_that_is_away(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = spooled(spool, 5)
    clock = [0.0]

    def hang(key: str, body: bytes) -> bool:
        clock[0] += 20
        raise LakeError("no reply")

    monkeypatch.setattr(lake, "put_new", hang)
    monkeypatch.setattr("charging_assets.acquisition.spool.time.monotonic", lambda: clock[0])
    done = spool.drain(lake)
    assert (len(done.failed), done.waiting, clock) == (2, 5, [40.0])


def test_drain__of_a_lake_that_is_back_archives_all(spool: Spool) -> None:
    lake = spooled(spool, 3)
    lake.is_away = False
    assert spool.drain(lake).waiting == 0
    assert slots(lake) == [0, 1, 2]


def test_drain__two_at_once_lose_and_double_nothing(spool: Spool) -> None:
    lake = ShakyLake()
    lake.is_away = True
    poll_slot(lake, spool, 0)
    lake.is_away = False
    (waiting,) = spool.waiting()
    other = Spool(spool.folder)
    assert lake.put_new(waiting, (spool.folder / waiting).read_bytes())
    assert other.drain(lake).archived == [waiting]
    assert spool.drain(lake).archived == []
    assert slots(lake) == [0]


def test_poll_hour__without_a_spool_a_refusing_lake_is_a_failed_feed() -> None:
    lake = ShakyLake()
    lake.is_away = True
    report = poll_hour(
        lake, {"f": FEED}, Hour.of(NOON),
        poller=lambda feed: (poll(feed="f", slot_at=NOON), [place("koeln", b"{}")]),
    )  # fmt: skip
    assert report.failed_feeds == {"f": "LakeError: the lake is away"}


@pytest.mark.fault(
    "Two pollers at once",
    "a slot is asked once; where both asked, each answer is kept once",
    area="processes",
)
def test_poll_hour__two_pollers_ask_a_slot_once_unless_a_place_failed(spool: Spool) -> None:
    lake = ShakyLake()
    asked: list[str] = []

    def polling(outcome: str) -> PollReport:
        def ask(feed: Feed) -> tuple[Poll, list[Place]]:
            asked.append(outcome)
            return poll(feed="f", slot_at=NOON), [place("koeln", b"{}", outcome)]

        hour = Hour.of(NOON)
        return poll_hour(
            lake, {"f": FEED}, hour, poller=ask, planned_at=NOON, spool=spool, now=NOON
        )

    polling("timeout")
    assert polling("ok").known == []
    assert polling("ok").known == ["f"]
    assert asked == ["timeout", "ok"]
    assert missed_slots(lake) == []


def test_waiting__of_no_folder_is_nothing(tmp_path: Path) -> None:
    assert Spool(tmp_path / "absent").waiting() == []

"""The spool: a lake that is away, full or unsure costs no poll and doubles none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from charging_assets.acquisition.archive import Place, Poll, hours_archived, read
from charging_assets.acquisition.feeds import Feed
from charging_assets.acquisition.hour import PollReport, poll_hour
from charging_assets.acquisition.missed import missed_slots
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


def test_spool__a_lost_reply_archives_a_poll_once(spool: Spool) -> None:
    lake = ShakyLake()
    lake.loses_replies = True
    assert poll_slot(lake, spool, 0).spooled
    lake.loses_replies = False
    poll_slot(lake, spool, 1)
    assert (slots(lake), spool.waiting()) == ([0, 1], [])


def test_drain__stops_where_the_lake_refuses_and_keeps_the_rest(spool: Spool) -> None:
    lake = ShakyLake()
    lake.is_away = True
    for number in range(3):
        poll_slot(lake, spool, number)
    done = spool.drain(lake)
    assert (done.archived, done.waiting) == ([], 3)
    assert done.reason == "LakeError: the lake is away"
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

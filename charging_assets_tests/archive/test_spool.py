"""The spool: no poll is lost or duplicated when the lake is unreachable, full or loses replies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from charging_assets.acquisition.poll_hour import PollReport, poll_hour
from charging_assets.archive.missed_slots import missed_slots
from charging_assets.archive.raw_archive import hours_archived, read
from charging_assets.archive.raw_objects import PlaceResponse, Poll
from charging_assets.archive.spool import Spool
from charging_assets.hours import Hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.store import LakeError
from charging_assets.sources.feeds import Feed
from charging_assets_tests.builders import place, poll

NOON = datetime(2022, 1, 11, 12, tzinfo=UTC)
TEN = timedelta(minutes=10)
FEED = Feed(name="f", kind="chargecloud", base_url="https://example.org", places=("koeln",))


class UnreliableLake(MemoryLake):
    """A lake that can be unreachable, or store an object and lose the reply."""

    is_away = False
    loses_replies = False

    def put_new(self, key: str, body: bytes) -> bool:
        if self.is_away:
            raise LakeError("the lake is unreachable")
        is_new = super().put_new(key, body)
        if self.loses_replies:
            raise LakeError("the reply was lost")
        return is_new


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def poll_slot(lake: MemoryLake, spool: Spool, number: int) -> PollReport:
    """Poll a slot at its planned time."""
    slot = NOON + number * TEN

    def poller(feed: Feed) -> tuple[Poll, list[PlaceResponse]]:
        return poll(feed=feed.name, slot_at=slot), [place("koeln", b"{}")]

    return poll_hour(
        lake, {"f": FEED}, Hour.of(slot), poller=poller, planned_at=slot, spool=spool, now=slot
    )


def slots(lake: MemoryLake) -> list[int]:
    polls = [next(read(lake, key)).poll for keys in hours_archived(lake).values() for key in keys]
    return [(archived.slot_at - NOON) // TEN for archived in polls]


@pytest.mark.fault(
    "The lake is unreachable for an hour",
    "polls are spooled on this machine and archived once, each under its own slot",
    area="storage",
)
def test_spool__an_hour_without_a_lake_is_archived_afterwards(spool: Spool) -> None:
    lake = UnreliableLake()
    poll_slot(lake, spool, 0)
    lake.is_away = True
    for number in range(1, 7):
        report = poll_slot(lake, spool, number)
        assert report.spooled == {"f": "LakeError: the lake is unreachable"}
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
    lake = UnreliableLake()
    lake.loses_replies = True
    assert poll_slot(lake, spool, 0).spooled
    lake.loses_replies = False
    poll_slot(lake, spool, 1)
    assert (slots(lake), spool.waiting()) == ([0, 1], [])


def spool_polls(spool: Spool, count: int) -> UnreliableLake:
    """A lake that is unreachable, with `count` polls in the spool."""
    lake = UnreliableLake()
    lake.is_away = True
    for number in range(count):
        poll_slot(lake, spool, number)
    return lake


def test_drain__of_an_unreachable_lake_keeps_all(spool: Spool) -> None:
    lake = spool_polls(spool, 3)
    done = spool.drain(lake)
    assert (done.archived, done.waiting) == ([], 3)
    assert list(done.failed) == spool.waiting()
    assert done.summary() == f"{spool.waiting()[0]}: LakeError: the lake is unreachable, and 2 more"
    lake.is_away = False
    assert spool.drain(lake).waiting == 0
    assert slots(lake) == [0, 1, 2]


@pytest.mark.fault(
    "The lake refuses one poll",
    "it stays in the spool, is reported, and does not block other polls",
    area="storage",
)
def test_drain__continues_after_a_failed_poll_and_reports_it(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = spool_polls(spool, 3)
    lake.is_away = False
    oldest = spool.waiting()[0]
    put_new = lake.put_new

    def refuse(key: str, body: bytes) -> bool:
        if key == oldest:
            raise LakeError("no such folder")
        return put_new(key, body)

    monkeypatch.setattr(lake, "put_new", refuse)
    done = spool.drain(lake)
    assert (len(done.archived), done.waiting) == (2, 1)
    assert done.failed == {oldest: "LakeError: no such folder"}
    assert (spool.waiting(), slots(lake)) == ([oldest], [1, 2])
    monkeypatch.undo()
    assert spool.drain(lake).archived == [oldest]
    assert slots(lake) == [0, 1, 2]


def test_drain__a_poll_archived_by_another_drain_is_not_a_failure(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = spool_polls(spool, 3)
    lake.is_away = False
    first, second, third = spool.waiting()
    put_new = lake.put_new

    def meanwhile(key: str, body: bytes) -> bool:
        if key == first:
            assert put_new(second, (spool.folder / second).read_bytes())
            (spool.folder / second).unlink()
        return put_new(key, body)

    monkeypatch.setattr(lake, "put_new", meanwhile)
    done = spool.drain(lake)
    assert (done.archived, done.failed, done.waiting) == ([first, third], {}, 0)
    assert slots(lake) == [0, 1, 2]


@pytest.mark.fault(
    "The lake refuses one poll",
    area="storage",
)
def test_drain__ends_early_on_a_lake_that_hangs(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = spool_polls(spool, 5)
    clock = [0.0]

    def hang(key: str, body: bytes) -> bool:
        clock[0] += 20
        raise LakeError("no reply")

    monkeypatch.setattr(lake, "put_new", hang)
    monkeypatch.setattr("charging_assets.archive.spool.time.monotonic", lambda: clock[0])
    done = spool.drain(lake)
    assert (len(done.failed), done.waiting, clock) == (2, 5, [40.0])


def test_drain__of_a_reachable_lake_archives_all(spool: Spool) -> None:
    lake = spool_polls(spool, 3)
    lake.is_away = False
    assert spool.drain(lake).waiting == 0
    assert slots(lake) == [0, 1, 2]


def test_drain__two_at_once_lose_and_duplicate_nothing(spool: Spool) -> None:
    lake = UnreliableLake()
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
    lake = UnreliableLake()
    lake.is_away = True
    report = poll_hour(
        lake, {"f": FEED}, Hour.of(NOON),
        poller=lambda feed: (poll(feed="f", slot_at=NOON), [place("koeln", b"{}")]),
    )  # fmt: skip
    assert report.failed_feeds == {"f": "LakeError: the lake is unreachable"}


@pytest.mark.fault(
    "Two pollers at once",
    "a slot is polled once; if both polled, each answer is archived once",
    area="processes",
)
def test_poll_hour__two_pollers_poll_a_slot_once_unless_a_place_failed(spool: Spool) -> None:
    lake = UnreliableLake()
    outcomes: list[str] = []

    def polling(outcome: str) -> PollReport:
        def poller(feed: Feed) -> tuple[Poll, list[PlaceResponse]]:
            outcomes.append(outcome)
            return poll(feed="f", slot_at=NOON), [place("koeln", b"{}", outcome)]

        hour = Hour.of(NOON)
        return poll_hour(
            lake, {"f": FEED}, hour, poller=poller, planned_at=NOON, spool=spool, now=NOON
        )

    polling("timeout")
    assert polling("ok").already_polled == []
    assert polling("ok").already_polled == ["f"]
    assert outcomes == ["timeout", "ok"]
    assert missed_slots(lake) == []


def test_waiting__of_no_folder_is_nothing(tmp_path: Path) -> None:
    assert Spool(tmp_path / "absent").waiting() == []

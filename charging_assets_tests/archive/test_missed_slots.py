"""Missed slots: the next poll records the slots missed while nothing ran."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from charging_assets.archive.missed_slots import (
    LONGEST_SILENCE,
    missed_slots,
    record_missed,
    record_silence,
    unfilled_slots,
)
from charging_assets.archive.raw_archive import hours_archived
from charging_assets.lake.memory import MemoryLake
from charging_assets.sources.feeds import Feed
from charging_assets_tests.builders import archived, poll

FEED = Feed(name="f", kind="chargecloud", base_url="https://example.org", places=("koeln",))
TEN = timedelta(minutes=10)
NOON = datetime.fromisoformat("2022-01-11T12:00:00+00:00")


def put(lake: Any, slot_at: datetime, feed: str = "f") -> str:
    return archived(lake, poll(slot_at=slot_at, feed=feed), {"koeln": b"{}"})


def silence_until(lake: Any, slot_at: datetime, **options: Any) -> list[datetime]:
    put(lake, slot_at)
    return record_silence(lake, FEED, slot_at, **options)


def noted(lake: Any) -> list[str]:
    return [note["slot_at"] for note in missed_slots(lake)]


def test_record_silence__a_day_of_silence_is_recorded_slot_by_slot_in_two_notes() -> None:
    lake = MemoryLake()
    put(lake, NOON)
    missed = silence_until(lake, NOON + timedelta(days=1))
    assert missed == [NOON + n * TEN for n in range(1, 144)]
    assert noted(lake) == [slot.isoformat() for slot in missed]
    assert len(lake.keys("missed/")) == 2
    assert "nothing polled between 2022-01-11T12:00" in missed_slots(lake)[0]["reason"]
    assert record_silence(lake, FEED, NOON + timedelta(days=1)) == []


def test_record_silence__nothing_is_missed_between_neighbours_or_before_the_first_poll() -> None:
    lake = MemoryLake()
    assert silence_until(lake, NOON) == []
    assert silence_until(lake, NOON + TEN) == []
    put(lake, NOON, feed="g")
    assert silence_until(lake, NOON + timedelta(hours=1)) == [NOON + n * TEN for n in range(2, 6)]


def test_record_silence__earlier_notes_keep_their_reason() -> None:
    lake = MemoryLake()
    put(lake, NOON)
    record_missed(lake, "f", NOON + TEN, "no route")
    assert silence_until(lake, NOON + 3 * TEN) == [NOON + 2 * TEN]
    assert [note["reason"][:8] for note in missed_slots(lake)] == ["no route", "nothing "]


def test_record_silence__spooled_polls_are_not_missed() -> None:
    lake, elsewhere = MemoryLake(), MemoryLake()
    put(lake, NOON)
    waiting = [put(elsewhere, NOON + n * TEN) for n in (1, 2, 3)]
    assert silence_until(lake, NOON + 5 * TEN, spooled=waiting) == [NOON + 4 * TEN]


def test_record_silence__a_silence_beyond_the_maximum_records_no_missed_slots() -> None:
    lake = MemoryLake()
    put(lake, NOON)
    assert silence_until(lake, NOON + LONGEST_SILENCE + timedelta(days=2)) == []


def test_still_missed__leaves_out_slots_archived_later() -> None:
    lake = MemoryLake()
    put(lake, NOON)
    silence_until(lake, NOON + 3 * TEN)
    put(lake, NOON + TEN)
    left = unfilled_slots(lake, hours_archived(lake))
    assert [note["slot_at"] for note in left] == [(NOON + 2 * TEN).isoformat()]


@given(st.sets(st.integers(0, 300), min_size=1))
def test_record_silence__polled_and_missed_are_all_slots_between_and_never_both(
    polled: set[int],
) -> None:
    lake = MemoryLake()
    for number in sorted(polled):
        silence_until(lake, NOON + number * TEN)
    missed = {(datetime.fromisoformat(slot) - NOON) // TEN for slot in noted(lake)}
    assert missed & polled == set()
    assert missed | polled == set(range(min(polled), max(polled) + 1))

"""The warehouse's copy of the lake's notes follows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from charging_assets import deployments
from charging_assets.archive.gaps import (
    accept,
    accepted_hours,
    accepted_hours_of,
    days_with_gaps,
    gaps,
    is_accepted,
)
from charging_assets.archive.missed_slots import record_missed
from charging_assets.hours import Hour
from charging_assets.orchestration.notes import sync_notes
from charging_assets.warehouse.interface import Warehouse
from charging_assets_tests.builders import archived, poll

HOUR = Hour.parse("2022-01-11T20")
NOW = datetime(2022, 1, 13, tzinfo=UTC)


def rows(warehouse: Warehouse, table: str) -> list[dict[str, Any]]:
    return warehouse.query(f"SELECT * FROM ops.{table} ORDER BY slot_at").to_pylist()


def test_sync_notes__copies_new_and_deleted_notes() -> None:
    lake, warehouse, _ = vars(deployments.memory_storage()).values()
    sync_notes(lake, warehouse)
    assert rows(warehouse, "gaps") == rows(warehouse, "missed_slots") == []
    hours = [HOUR, Hour.of(HOUR.end)]
    accept(lake, hours, "the API was away", NOW)
    for minute in (0, 10):
        record_missed(lake, "test", HOUR.start + timedelta(minutes=minute), "no 'route'; --")
    for _ in range(2):
        sync_notes(lake, warehouse)
        gaps, missed = rows(warehouse, "gaps"), rows(warehouse, "missed_slots")
        assert [row["slot_at"].hour for row in gaps] == [20, 21]
        assert {row["reason"] for row in gaps} == {"the API was away"}
        assert [row["slot_at"].minute for row in missed] == [0, 10]
        assert {row["reason"] for row in missed} == {"no 'route'; --"}
    archived(lake, poll(0), {"koeln": b"{}"})
    sync_notes(lake, warehouse)
    assert [row["slot_at"].hour for row in rows(warehouse, "gaps")] == [21]
    assert [row["slot_at"].minute for row in rows(warehouse, "missed_slots")] == [10]


def test_sync_notes__a_long_reason_is_cut_between_characters() -> None:
    storage = deployments.memory_storage()
    accept(storage.lake, [HOUR], "x" + "😀" * 600, NOW)
    sync_notes(storage.lake, storage.warehouse)
    (row,) = rows(storage.warehouse, "gaps")
    assert row["reason"] == "x" + "😀" * 255


def test_sync_notes__a_gap_of_a_feed_lasts_until_that_feed_has_polls() -> None:
    lake, warehouse, _ = vars(deployments.memory_storage()).values()
    archived(lake, poll(0), {"koeln": b"{}"})
    accept(lake, [HOUR], "it was away", NOW, feed="other")
    sync_notes(lake, warehouse)
    assert [(row["feed"], row["slot_at"].hour) for row in rows(warehouse, "gaps")] == [
        ("other", 20)
    ]
    archived(lake, poll(0, feed="other"), {"koeln": b"{}"})
    sync_notes(lake, warehouse)
    assert rows(warehouse, "gaps") == []


def test_accepted_hours__of_feeds__are_those_of_every_feed_in_the_archive() -> None:
    lake, _, _ = vars(deployments.memory_storage()).values()
    for feed in ("a", "b"):
        archived(lake, poll(60, feed=feed), {"koeln": b"{}"})
    accept(lake, [HOUR], "away", NOW, feed="a")
    assert (is_accepted(lake, HOUR), accepted_hours(lake), days_with_gaps(lake)) == (
        False, [], [HOUR.start.date()]
    )  # fmt: skip
    assert accepted_hours_of(lake, "a") == {HOUR} and accepted_hours_of(lake, "b") == set()
    accept(lake, [HOUR], "away", NOW, feed="b")
    assert is_accepted(lake, HOUR) and accepted_hours(lake) == [HOUR]
    assert [gap.feed for gap in gaps(lake)] == ["a", "b"]


def test_gaps__notes_without_a_feed_stay_readable() -> None:
    lake, _, _ = vars(deployments.memory_storage()).values()
    note = b'{"hour":"2022-01-11T20","reason":"away","accepted_at":"2022-01-13T00:00:00Z"}'
    lake.put("gaps/date=2022-01-11/hour=20.json", note)
    (gap,) = gaps(lake)
    assert (gap.hour, gap.feed) == (HOUR.key, None) and is_accepted(lake, HOUR)
    other = Hour.of(HOUR.end)
    accept(lake, [other], "away", datetime(2022, 1, 13, tzinfo=UTC))
    assert lake.get("gaps/date=2022-01-11/hour=21.json") == note.replace(b"T20", b"T21")

"""The warehouse's copy of the lake's notes follows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from charging_assets import deployments
from charging_assets.acquisition.gaps import accept
from charging_assets.acquisition.missed import record_missed
from charging_assets.automation.notes import publish_notes
from charging_assets.partitions import Hour
from charging_assets.storage.warehouse import Warehouse
from charging_assets_tests.builders import archived, poll

HOUR = Hour.parse("2022-01-11T20")
NOW = datetime(2022, 1, 13, tzinfo=UTC)


def rows(warehouse: Warehouse, table: str) -> list[dict[str, Any]]:
    return warehouse.query(f"SELECT * FROM ops.{table} ORDER BY slot_at").to_pylist()


def test_publish_notes__follows_the_lake_whatever_is_noted_or_turns_up() -> None:
    lake, warehouse, _ = vars(deployments.memory_storage()).values()
    publish_notes(lake, warehouse)
    assert rows(warehouse, "gaps") == rows(warehouse, "missed_slots") == []
    hours = [HOUR, Hour.of(HOUR.end)]
    accept(lake, hours, "the API was away", NOW)
    for minute in (0, 10):
        record_missed(lake, "test", HOUR.start + timedelta(minutes=minute), "no 'route'; --")
    for _ in range(2):
        publish_notes(lake, warehouse)
        gaps, missed = rows(warehouse, "gaps"), rows(warehouse, "missed_slots")
        assert [row["slot_at"].hour for row in gaps] == [20, 21]
        assert {row["reason"] for row in gaps} == {"the API was away"}
        assert [row["slot_at"].minute for row in missed] == [0, 10]
        assert {row["reason"] for row in missed} == {"no 'route'; --"}
    archived(lake, poll(0), {"koeln": b"{}"})
    publish_notes(lake, warehouse)
    assert [row["slot_at"].hour for row in rows(warehouse, "gaps")] == [21]
    assert [row["slot_at"].minute for row in rows(warehouse, "missed_slots")] == [10]


def test_publish_notes__a_long_reason_is_cut_between_characters() -> None:
    storage = deployments.memory_storage()
    accept(storage.lake, [HOUR], "x" + "😀" * 600, NOW)
    publish_notes(storage.lake, storage.warehouse)
    (row,) = rows(storage.warehouse, "gaps")
    assert row["reason"] == "x" + "😀" * 255

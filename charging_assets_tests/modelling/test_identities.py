"""Places whose ids are unique within a place only, from raw objects to marts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from charging_assets import deployments
from charging_assets.archive.identities import FeedIdentity
from charging_assets.archive.raw_archive import hours_archived
from charging_assets.definitions import build
from charging_assets.lake.memory import MemoryLake
from charging_assets.orchestration.load_runs import load_hours
from charging_assets.orchestration.staleness import stale_hours, staleness
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests import builders
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import evse, lake_of, rows, station
from charging_assets_tests.stale_loads import errors_of, load_stale

WITHIN_PLACES = {"test": FeedIdentity("test", "place")}
FEEDS = """
[feeds.test]
kind = "chargecloud"
base_url = "https://example.org"
places = ["adorf", "bdorf"]
ids_within = "place"
"""


def town(name: str, status: str) -> list[dict[str, Any]]:
    parts = [evse("1", status, id=f"DE*{name[:3].upper()}*E1")]
    return [station(parts, "1", name=f"Rathaus {name}", city=name)]


def towns() -> MemoryLake:
    """Two hours of two towns that both have a station 1 with an EVSE 1."""
    return lake_of(
        {
            minute: {"adorf": town("Adorf", "AVAILABLE"), "bdorf": town("Bdorf", "CHARGING")}
            for minute in range(0, 120, 10)
        }
    )


def loaded(lake: MemoryLake, warehouse: DuckDBWarehouse, identities: Any) -> dict[str, str]:
    for hour in hours_archived(lake):
        hours.load_files(warehouse, hours.flat_files(lake, hour, identities), hour)
    return hours.digests(warehouse)


def test_ids_within_place__two_towns_have_a_station_and_an_evse_each() -> None:
    warehouse = DuckDBWarehouse(None)
    loaded(towns(), warehouse, WITHIN_PLACES)
    stations = "SELECT place, station_id, name FROM warehouse.dim_station ORDER BY place"
    assert rows(warehouse, stations) == [
        ("adorf", "1", "Rathaus Adorf"),
        ("bdorf", "1", "Rathaus Bdorf"),
    ]
    evses = "SELECT place, evse_uid, evse_id FROM warehouse.dim_evse ORDER BY place"
    assert rows(warehouse, evses) == [("adorf", "1", "DE*ADO*E1"), ("bdorf", "1", "DE*BDO*E1")]
    connectors = "SELECT COUNT(DISTINCT connector_key) FROM warehouse.dim_connector"
    assert rows(warehouse, connectors) == [(2,)]
    seconds = (
        "SELECT place, evse_count, available_s, charging_s FROM mart.mart_city_day ORDER BY place"
    )
    assert rows(warehouse, seconds) == [("adorf", 1, 7200, 0), ("bdorf", 1, 0, 7200)]
    assert rows(warehouse, "SELECT place FROM warehouse.fact_charging_session") == [("bdorf",)]


def test_ids_within_place__hours_loaded_before_are_as_if_it_had_always_been_so() -> None:
    """Keys change with the setting: nothing of the keys before may be left, and back again."""
    lake, warehouse = towns(), DuckDBWarehouse(None)
    before = loaded(lake, warehouse, {})
    expected = loaded(lake, DuckDBWarehouse(None), WITHIN_PLACES)
    assert loaded(lake, warehouse, WITHIN_PLACES) == expected
    assert loaded(lake, warehouse, {}) == before


@pytest.mark.slow
def test_ids_within__a_change_makes_the_feeds_hours_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHARGING_FEEDS", raising=False)
    lake = towns()
    builders.archived(
        lake,
        builders.poll(0, feed="other", slot_at=hours.hour_after(3).start),
        {"koeln": builders.envelope(builders.station())},
    )
    storage = deployments.Storage(lake, DuckDBWarehouse(None))
    archived = list(hours_archived(lake))
    load_hours(build(storage, feeds={}), _instance(), archived, lambda _: None)
    assert stale_hours(lake, storage.warehouse) == []

    path = tmp_path / "feeds.toml"
    path.write_text(FEEDS, "utf-8")
    monkeypatch.setenv("CHARGING_FEEDS", str(path))
    stale = stale_hours(lake, storage.warehouse)
    assert [stale_hour.hour for stale_hour in stale] == archived[:2]
    assert "identity settings" in stale[0].reason
    assert staleness(lake, storage.warehouse).stale["staged_tables"] == set(archived[:2])
    assert errors_of(load_stale(lake, storage.warehouse)) == {}
    assert stale_hours(lake, storage.warehouse) == []
    assert not any(staleness(lake, storage.warehouse).stale.values())
    # A process without the feeds file goes on with the recorded settings.
    monkeypatch.delenv("CHARGING_FEEDS")
    assert stale_hours(lake, storage.warehouse) == []
    monkeypatch.setenv("CHARGING_FEEDS", str(path))
    stale_hour = rows(storage.warehouse, "SELECT place FROM warehouse.dim_evse ORDER BY place")
    assert stale_hour == [("adorf",), ("bdorf",), ("koeln",)]
    counted = "SELECT COUNT(*) FROM warehouse.evse_attributes"
    assert rows(storage.warehouse, counted) == [(3,)]


def _instance() -> Any:
    from dagster import DagsterInstance

    return DagsterInstance.ephemeral()

"""Rejects: rejected values are kept, and restored once a release supports them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from charging_assets.archive.raw_archive import read
from charging_assets.preprocessing import clean, flatten
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import evse, station

REJECTS = (
    "SELECT place, raw_key, severity, entity, entity_id, pointer, code, fragment "
    "FROM ops.flat_rejects ORDER BY pointer"
)


def _network(status: str) -> list[dict[str, Any]]:
    return [station([evse("e1"), evse("e2", status)], "s1")]


@pytest.mark.fault(
    "An unknown status, then a release that supports it",
    "it is rejected with its raw key, pointer, value and code; flattening again restores it",
    area="answers",
)
@pytest.mark.usefixtures("fresh_readers")
def test_reject__is_restored_when_its_hour_is_materialized_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake, warehouse = hours.lake_of({0: _network("DEFROSTING")}), DuckDBWarehouse(None)
    hours.load(warehouse, lake, only="fact_")
    rejects = hours.rows(warehouse, REJECTS)
    (raw_key,) = {row[1] for row in rejects}
    assert [row[2:] for row in rejects] == [
        ("field", "connector", "e2-c", "/data/0/evses/1/connectors/0/status", "unknown_status",
         '"DEFROSTING"'),
        ("field", "evse", "e2", "/data/0/evses/1/status", "unknown_status", '"DEFROSTING"'),
    ]  # fmt: skip
    (archived,) = read(lake, raw_key)
    assert archived.place.body is not None
    value: Any = json.loads(archived.place.body)
    for name in rejects[1][5].strip("/").split("/"):
        value = value[int(name) if isinstance(value, list) else name]
    assert value == "DEFROSTING"

    _support_status(monkeypatch)
    hours.load(warehouse, lake, only="fact_")
    assert hours.rows(warehouse, REJECTS) == []
    assert hours.rows(
        warehouse, "SELECT evse_uid, status, poll_count FROM warehouse.fact_status ORDER BY 1"
    ) == [("e1", "AVAILABLE", 1), ("e2", "DEFROSTING", 1)]


def _support_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next release: its cleaner supports the status, its code version is another."""
    monkeypatch.setattr(clean, "STATUSES", clean.STATUSES | {"DEFROSTING"})
    monkeypatch.setattr(hours, "flat_version", lambda: "next-release")
    flatten._reader.cache_clear()

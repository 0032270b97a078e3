"""The code version of flat tables: which changes make hours stale after an upgrade."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from charging_assets.preprocessing import version
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.sources import chargecloud, maps_version, packaged_kinds


@pytest.fixture(autouse=True)
def not_cached() -> Iterator[None]:
    version.flat_version.cache_clear()
    yield
    version.flat_version.cache_clear()


def test_packaged_kinds__are_those_that_feeds_can_name() -> None:
    assert packaged_kinds() == ["chargecloud"]


@pytest.mark.parametrize("part", ["STATION", "EVSE", "CONNECTOR"])
@pytest.mark.parametrize(
    "change",
    [
        {"within": "place"},
        {"children": "parts"},
        {"ignored": frozenset({"colour"})},
        {"columns": {"name": "label", "status": "state"}},
    ],
)
def test_flat_version__changes_with_the_maps_of_packaged_kinds(
    part: str, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, maps = version.flat_version(), maps_version(chargecloud)
    monkeypatch.setattr(chargecloud, part, replace(getattr(chargecloud, part), **change))
    version.flat_version.cache_clear()
    assert version.flat_version() != before
    assert maps_version(chargecloud) != maps


def test_flat_version__changes_with_a_plausible_range(monkeypatch: pytest.MonkeyPatch) -> None:
    before = version.flat_version()
    table = next(t for t in FLAT_TABLES if t.name == "flat_connectors")
    columns = tuple(
        replace(column, maximum=2000) if column.name == "max_power_kw" else column
        for column in table.columns
    )
    tables = [replace(t, columns=columns) if t is table else t for t in FLAT_TABLES]
    monkeypatch.setattr(version, "FLAT_TABLES", tables)
    version.flat_version.cache_clear()
    assert version.flat_version() != before

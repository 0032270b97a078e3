"""Texts at the limit of VARCHAR, which counts bytes of UTF-8, on their way into Redshift."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from charging_assets.schemas.dimensions import DIM_STATION
from charging_assets_tests.modelling import hours
from charging_assets_tests.testbed.bed import S3, Bed
from charging_assets_tests.warehouse.redshifts import EmptyRedshift, of_the_bed

LENGTH = DIM_STATION.column("name").length
FOUR_BYTES = "🔌"


@pytest.fixture
def redshift(testbed: Bed, bucket: S3) -> Iterator[EmptyRedshift]:
    made = of_the_bed(testbed, bucket, "snapshot")
    yield made
    made.end()


def record_with_name(name: str, number: int) -> dict[str, Any]:
    return hours.station([hours.evse(f"e{number}")], f"s{number}", name=name)


def test_texts__up_to_the_limit_are_whole_and_longer_ones_are_rejects(
    redshift: EmptyRedshift,
) -> None:
    fits = FOUR_BYTES * (LENGTH // 4)
    records = [
        record_with_name(fits, 1),
        record_with_name(fits + "ab"[: LENGTH % 4 + 1], 2),
        record_with_name("short", 3),
    ]
    lake, warehouse = hours.lake_of({0: records}), redshift.warehouse()
    hours.load(warehouse, lake)
    rows = warehouse.query("SELECT station_id, name FROM warehouse.dim_station ORDER BY station_id")
    assert rows.to_pylist() == [
        {"station_id": "s1", "name": fits},
        {"station_id": "s2", "name": None},
        {"station_id": "s3", "name": "short"},
    ]
    rejects = warehouse.query("SELECT code, pointer, severity FROM ops.flat_rejects").to_pylist()
    assert [(each["code"], each["severity"]) for each in rejects] == [("too_long", "field")]
    assert "name" in rejects[0]["pointer"]


def test_texts__of_every_length_limited_column_can_be_filled_to_the_byte(
    redshift: EmptyRedshift,
) -> None:
    """What preprocessing lets through, Redshift takes: both go by the one schema."""
    fields = {"name": "station", "address": "address", "city": "city"}
    for column in fields:
        limit = DIM_STATION.column(column).length
        assert limit > 0
    full = {
        column: ("ä" * DIM_STATION.column(column).length)[: DIM_STATION.column(column).length // 2]
        for column in fields
    }
    lake = hours.lake_of({0: [hours.station([hours.evse("f1")], "f", **full)]})
    warehouse = redshift.warehouse()
    hours.load(warehouse, lake)
    (row,) = warehouse.query(
        "SELECT name, address, city FROM warehouse.dim_station WHERE station_id = 'f'"
    ).to_pylist()
    assert row == full

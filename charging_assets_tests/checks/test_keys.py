"""Key rules report duplicate keys, nulls and foreign keys without a row."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from charging_assets.checks.registry import RULES
from charging_assets.lake.flat_files import open_flat, write_flat
from charging_assets.lake.store import Lake
from charging_assets.schemas.catalog import table
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets_tests.checks.stores import (
    BY_NAME,
    Stores,
    evse,
    find,
    flat_lake,
    network,
    sample_text,
    station,
)
from charging_assets_tests.modelling.hours import FEED, HOUR

KEYS = [rule.name for rule in RULES if rule.rule == "unique_not_null_fk"]
IN_FILES = {f"{each.name}__unique_not_null_fk" for each in FLAT_TABLES}


@pytest.mark.parametrize("name", sorted(set(KEYS) - IN_FILES))
def test_keys__duplicate_row_is_reported(stores: Stores, name: str) -> None:
    asset = BY_NAME[name].asset
    at = "slot_at >= TIMESTAMP '2022-01-11 20:00:00'" if asset == "fact_poll" else "TRUE"
    full = table(asset).full_name
    duplicate = f"INSERT INTO {full} SELECT * FROM {full} WHERE {at} LIMIT 1"
    finding = stores.execute(duplicate).find(name)
    assert not finding.passed
    assert "'problem': 'duplicate'" in sample_text(finding) and "'row_count': 2" in sample_text(
        finding
    )


MISSING_ROWS = [
    ("fact_status__unique_not_null_fk", "DELETE FROM warehouse.dim_evse", "not in dim_evse"),
    ("fact_status__unique_not_null_fk", "DELETE FROM warehouse.fact_poll", "not in fact_poll"),
    ("fact_poll__unique_not_null_fk", "DELETE FROM warehouse.dim_time", "not in dim_time"),
    ("dim_evse__unique_not_null_fk", "DELETE FROM warehouse.dim_station", "not in dim_station"),
    ("dim_connector__unique_not_null_fk", "DELETE FROM warehouse.dim_evse", "not in dim_evse"),
    (
        "dim_station__unique_not_null_fk",
        "DELETE FROM warehouse.station_attributes",
        "station_attributes",
    ),
    (
        "fact_charging_session__unique_not_null_fk",
        "DELETE FROM warehouse.dim_evse",
        "not in dim_evse",
    ),
    (
        "mart_evse_hour__unique_not_null_fk",
        "DELETE FROM warehouse.dim_station",
        "not in dim_station",
    ),
    (
        "mart_station_hour__unique_not_null_fk",
        "DELETE FROM warehouse.dim_station",
        "not in dim_station",
    ),
    (
        "fact_status__unique_not_null_fk",
        "UPDATE warehouse.dim_evse SET valid_from = TIMESTAMP '2022-01-11 20:01:00'",
        "not in dim_evse",
    ),
]


@pytest.mark.parametrize(("name", "damage", "problem"), MISSING_ROWS)
def test_keys__missing_referenced_row_is_reported(
    stores: Stores, name: str, damage: str, problem: str
) -> None:
    finding = stores.execute(damage).find(name)
    assert not finding.passed
    assert problem in sample_text(finding)


def rewrite_flat_file(lake: Lake, name: str, change: Callable[[pa.Table], pa.Table]) -> Lake:
    """Rewrite a flat file with changed rows; return the lake."""
    file = open_flat(lake, table(name), FEED, HOUR)
    rows = change(file.read())
    provenance = {"archive_digest": file.archive_digest, "code_version": file.code_version}
    write_flat(lake, file.table, file.feed, HOUR, rows, **provenance)
    return lake


def lake_with_rejects() -> Lake:
    return flat_lake([*network(), station([evse("e8", status="BROKEN")], "s8")], (0, 10))


@pytest.mark.parametrize("name", sorted(IN_FILES))
def test_keys__duplicate_row_of_a_flat_file_is_reported(name: str) -> None:
    lake = rewrite_flat_file(
        lake_with_rejects(),
        BY_NAME[name].asset,
        lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]),
    )
    assert "'problem': 'duplicate'" in sample_text(find(name, lake))


def without_status_uid(rows: pa.Table) -> pa.Table:
    place = rows.schema.get_field_index("evse_uid")
    nulls = pa.nulls(rows.num_rows, pa.string())
    return rows.set_column(place, pa.field("evse_uid", pa.string()), nulls)


def test_keys__null_is_reported() -> None:
    lake = rewrite_flat_file(lake_with_rejects(), "flat_status", without_status_uid)
    assert "'problem': 'null'" in sample_text(find("flat_status__unique_not_null_fk", lake))


@pytest.mark.parametrize(
    ("name", "parent"),
    [
        ("flat_evses__unique_not_null_fk", "flat_stations"),
        ("flat_connectors__unique_not_null_fk", "flat_evses"),
        ("flat_status__unique_not_null_fk", "flat_evses"),
        ("flat_stations__unique_not_null_fk", "flat_polls"),
        ("flat_rejects__unique_not_null_fk", "flat_polls"),
    ],
)
def test_keys__row_of_a_flat_file_without_its_parent_is_reported(name: str, parent: str) -> None:
    lake = rewrite_flat_file(lake_with_rejects(), parent, lambda rows: rows.slice(0, 0))
    assert f"'problem': 'not in {parent}'" in sample_text(find(name, lake))

"""Keys: what is doubled, null or leads nowhere is named."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from charging_assets.checks.registry import RULES
from charging_assets.lake.flat_files import open_flat, write_flat
from charging_assets.lake.store import Lake
from charging_assets.schemas.catalog import table
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets_tests.checks.worlds import (
    BY_NAME,
    World,
    evse,
    find,
    flat_lake,
    network,
    station,
    told,
)
from charging_assets_tests.modelling.hours import FEED, HOUR

KEYS = [rule.name for rule in RULES if rule.rule == "unique_not_null_fk"]
IN_FILES = {f"{each.name}__unique_not_null_fk" for each in FLAT_TABLES}


@pytest.mark.parametrize("name", sorted(set(KEYS) - IN_FILES))
def test_keys__a_doubled_row_is_named(world: World, name: str) -> None:
    asset = BY_NAME[name].asset
    at = "slot_at >= TIMESTAMP '2022-01-11 20:00:00'" if asset == "fact_poll" else "TRUE"
    full = table(asset).full_name
    doubled = f"INSERT INTO {full} SELECT * FROM {full} WHERE {at} LIMIT 1"
    finding = world.broken(doubled).find(name)
    assert not finding.passed
    assert "'problem': 'doubled'" in told(finding) and "'row_count': 2" in told(finding)


REFERRED = [
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


@pytest.mark.parametrize(("name", "damage", "problem"), REFERRED)
def test_keys__what_leads_nowhere_is_named(
    world: World, name: str, damage: str, problem: str
) -> None:
    finding = world.broken(damage).find(name)
    assert not finding.passed
    assert problem in told(finding)


def changed(lake: Lake, name: str, change: Callable[[pa.Table], pa.Table]) -> Lake:
    """The lake with a flat file that preprocessing would not have written."""
    file = open_flat(lake, table(name), FEED, HOUR)
    rows = change(file.read())
    made_from = {"archive_digest": file.archive_digest, "code_version": file.code_version}
    write_flat(lake, file.table, file.feed, HOUR, rows, **made_from)
    return lake


def rejecting_lake() -> Lake:
    return flat_lake([*network(), station([evse("e8", status="BROKEN")], "s8")], (0, 10))


@pytest.mark.parametrize("name", sorted(IN_FILES))
def test_keys__a_doubled_row_of_a_flat_file_is_named(name: str) -> None:
    lake = changed(
        rejecting_lake(),
        BY_NAME[name].asset,
        lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]),
    )
    assert "'problem': 'doubled'" in told(find(name, lake))


def without_status_uid(rows: pa.Table) -> pa.Table:
    place = rows.schema.get_field_index("evse_uid")
    nulls = pa.nulls(rows.num_rows, pa.string())
    return rows.set_column(place, pa.field("evse_uid", pa.string()), nulls)


def test_keys__a_null_is_named() -> None:
    lake = changed(rejecting_lake(), "flat_status", without_status_uid)
    assert "'problem': 'null'" in told(find("flat_status__unique_not_null_fk", lake))


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
def test_keys__a_row_of_a_flat_file_without_its_parent_is_named(name: str, parent: str) -> None:
    lake = changed(rejecting_lake(), parent, lambda rows: rows.slice(0, 0))
    assert f"'problem': 'not in {parent}'" in told(find(name, lake))

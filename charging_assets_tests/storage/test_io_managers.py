"""What Dagster hands to the IO managers, what it gets back, and the metadata of what was stored."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest

from charging_assets.partitions import Hour, hourly_partitions
from charging_assets.schemas.dimensions import DIM_STATION
from charging_assets.schemas.facts import FACT_STATUS
from charging_assets.schemas.flat import FLAT_STATUS, FLAT_TABLES
from charging_assets.storage.flat_files import FlatFile, StaleFlatFile, flat_key
from charging_assets.storage.io_managers import (
    FlatRows,
    LakeIOManager,
    WarehouseIOManager,
    described,
)
from charging_assets.storage.memory import MemoryLake
from charging_assets.storage.plan import SpanLoad
from charging_assets.storage.warehouse_duckdb import DuckDBWarehouse
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR, stand


@pytest.fixture(scope="module")
def lake() -> MemoryLake:
    """An hour in which no place had anything to say, and one with two polls."""
    told = hours.lake_of({0: [], 60: stand("AVAILABLE"), 70: stand("CHARGING")})
    for hour in (0, 1):
        hours.flat_files(told, hours.hour_after(hour))
    return told


@pytest.fixture(scope="module")
def warehouse(lake: MemoryLake) -> DuckDBWarehouse:
    filled = DuckDBWarehouse(None)
    for hour in (0, 1):
        hours.load(filled, lake, hours.hour_after(hour))
    return filled


def given(manager: dg.IOManager, name: str, annotation: Any, hour: int) -> Any:
    """What an asset with an annotated input gets, by a real materialization."""
    told = []

    def body(rows):  # type: ignore[no-untyped-def]
        told.append(rows)

    body.__annotations__ = {} if annotation is None else {"rows": annotation}
    reader = dg.asset(
        name="reader",
        ins={"rows": dg.AssetIn(key=name)},
        partitions_def=hourly_partitions(),
    )(body)
    upstream = dg.AssetSpec(name, partitions_def=hourly_partitions()).with_io_manager_key("stored")
    dg.materialize(
        [upstream, reader],
        selection=["reader"],
        partition_key=hours.hour_after(hour).key,
        resources={"stored": manager},
    )
    return told[0]


@pytest.mark.parametrize("hour", [0, 1], ids=["empty", "filled"])
def test_lake_input__is_what_it_is_annotated_with(lake: MemoryLake, hour: int) -> None:
    manager = LakeIOManager(lake)
    for annotation in (None, FlatFile):
        found = given(manager, "flat_status", annotation, hour)
        assert isinstance(found, FlatFile) and found.row_count == 2 * hour
        assert found.read().num_rows == 2 * hour
    as_arrow = given(manager, "flat_status", pa.Table, hour)
    assert isinstance(as_arrow, pa.Table) and as_arrow.num_rows == 2 * hour
    as_pandas = given(manager, "flat_status", pd.DataFrame, hour)
    assert isinstance(as_pandas, pd.DataFrame)
    assert (list(as_pandas.columns), len(as_pandas)) == (list(FLAT_STATUS.names), 2 * hour)


@pytest.mark.parametrize("hour", [0, 1], ids=["empty", "filled"])
def test_warehouse_input__is_the_hour_as_arrow_or_pandas(
    warehouse: DuckDBWarehouse, hour: int
) -> None:
    manager = WarehouseIOManager(warehouse)
    for annotation in (None, pa.Table):
        found = given(manager, "fact_status", annotation, hour)
        assert isinstance(found, pa.Table)
        assert (tuple(found.column_names), found.num_rows) == (FACT_STATUS.names, 2 * hour)
    as_pandas = given(manager, "fact_status", pd.DataFrame, hour)
    assert isinstance(as_pandas, pd.DataFrame) and len(as_pandas) == 2 * hour


def test_warehouse_input__of_a_dimension_is_the_whole_table(warehouse: DuckDBWarehouse) -> None:
    found = given(WarehouseIOManager(warehouse), "dim_station", None, 0)
    assert (tuple(found.column_names), found.num_rows) == (DIM_STATION.names, 1)


def test_lake_input__that_is_missing_says_what_to_do(lake: MemoryLake) -> None:
    with pytest.raises(StaleFlatFile, match="materialize the flat tables of 2022-01-11T22"):
        given(LakeIOManager(lake), "flat_status", None, 2)


def stored(manager: dg.IOManager, name: str, value: Any, hour: Hour = HOUR) -> dict[str, Any]:
    """The metadata of an output, by a real materialization."""

    @dg.asset(name=name, partitions_def=hourly_partitions(), io_manager_key="stored")
    def made() -> Any:
        return value

    done = dg.materialize([made], partition_key=hour.key, resources={"stored": manager})
    (event,) = done.asset_materializations_for_node(name)
    return {key: found.value for key, found in event.metadata.items()}


@pytest.mark.parametrize("table", FLAT_TABLES, ids=lambda table: table.name)
def test_lake_output__tells_rows_and_path(table: Any) -> None:
    lake = MemoryLake()
    files = {file.table.name: file for file in hours.flat_files(hours.lake_of({0: stand()}))}
    rows = files[table.name].read()
    told = stored(LakeIOManager(lake), table.name, {HOUR.key: FlatRows(rows, "archive", "code")})
    assert told["dagster/row_count"] == rows.num_rows
    assert told["path"] == f"memory://{flat_key(table, HOUR)}"
    assert told["bytes"] == len(lake.get(flat_key(table, HOUR)))
    assert told["archive_digest"] == "archive"


@pytest.mark.parametrize("asset", ["dim_station", "fact_poll", "fact_status"])
def test_warehouse_output__tells_rows_and_where(lake: MemoryLake, asset: str) -> None:
    warehouse = DuckDBWarehouse(None)
    hour = hours.hour_after(1)
    hours.load(warehouse, lake, hour, only="none")
    (plan,) = (plan for plan in hours.derived_plans(hour) if plan.asset == asset)
    told = stored(WarehouseIOManager(warehouse), asset, SpanLoad([hour], lambda span: plan), hour)
    assert told["dagster/row_count"] == {"dim_station": 1, "fact_poll": 2, "fact_status": 2}[asset]
    assert told["rows"][asset] == told["dagster/row_count"]
    assert (told["unchanged"], told["path"]) == (False, "DuckDB in memory")


def test_described__tells_columns_with_meaning_table_and_key() -> None:
    told = described(FACT_STATUS)
    columns = told["dagster/column_schema"].columns
    assert [column.name for column in columns] == list(FACT_STATUS.names)
    assert all(column.description for column in columns)
    assert told["dagster/table_name"] == "warehouse.fact_status"
    assert told["key"] == "feed, place, evse_key, slot_at"

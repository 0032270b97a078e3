"""What Dagster hands to the IO managers, what it gets back, and the metadata of what was stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest

from charging_assets import frames
from charging_assets.hours import Hour, backfill_policy, hourly_partitions
from charging_assets.io_managers import (
    LakeIOManager,
    WarehouseIOManager,
    table_metadata,
)
from charging_assets.lake.flat_files import HourFiles, StaleFlatFile, flat_key
from charging_assets.lake.memory import MemoryLake
from charging_assets.orchestration.runs import FIRST_TAG, LAST_TAG
from charging_assets.schemas.dimensions import DIM_STATION
from charging_assets.schemas.facts import FACT_STATUS
from charging_assets.schemas.flat import FLAT_STATUS, FLAT_TABLES
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.frames import FrameError
from charging_assets.warehouse.plan import SpanLoad
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR, stand


@pytest.fixture(scope="module")
def lake() -> MemoryLake:
    """An hour of an empty answer, and one with two polls."""
    lake = hours.lake_of({0: [], 60: stand("AVAILABLE"), 70: stand("CHARGING")})
    for hour in (0, 1):
        hours.flat_files(lake, hours.hour_after(hour))
    return lake


@pytest.fixture(scope="module")
def warehouse(lake: MemoryLake) -> DuckDBWarehouse:
    filled = DuckDBWarehouse(None)
    for hour in (0, 1):
        hours.load(filled, lake, hours.hour_after(hour))
    return filled


def given(
    manager: dg.IOManager, name: str, annotation: Any, hour: int, last: int | None = None
) -> Any:
    """What an asset with an annotated input gets, by a real materialization."""
    inputs = []

    def body(rows):  # type: ignore[no-untyped-def]
        inputs.append(rows)

    annotated = {} if annotation is None else {"rows": annotation}
    body.__annotations__ = {**annotated, "return": None}
    reader = dg.asset(
        name="reader",
        ins={"rows": dg.AssetIn(key=name)},
        partitions_def=hourly_partitions(),
        backfill_policy=backfill_policy(),
    )(body)
    upstream = dg.AssetSpec(name, partitions_def=hourly_partitions()).with_io_manager_key("stored")
    dg.materialize(
        [upstream, reader],
        selection=["reader"],
        partition_key=hours.hour_after(hour).key if last is None else None,
        tags=(
            {}
            if last is None
            else {
                FIRST_TAG: hours.hour_after(hour).key,
                LAST_TAG: hours.hour_after(last).key,
            }
        ),
        resources={"stored": manager},
    )
    return inputs[0]


def given_range(manager: dg.IOManager, name: str, annotation: Any) -> Any:
    """What an annotated input is in a run of two hours."""
    return given(manager, name, annotation, 0, 1)


@pytest.mark.parametrize("hour", [0, 1], ids=["empty", "filled"])
def test_lake_input__is_what_it_is_annotated_with(lake: MemoryLake, hour: int) -> None:
    manager = LakeIOManager(lake)
    for annotation in (None, HourFiles):
        value = given(manager, "flat_status", annotation, hour)
        assert isinstance(value, HourFiles) and value.row_count == 2 * hour
        assert value.read().num_rows == 2 * hour
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
        value = given(manager, "fact_status", annotation, hour)
        assert isinstance(value, pa.Table)
        assert (tuple(value.column_names), value.num_rows) == (FACT_STATUS.names, 2 * hour)
    as_pandas = given(manager, "fact_status", pd.DataFrame, hour)
    assert isinstance(as_pandas, pd.DataFrame) and len(as_pandas) == 2 * hour


def test_warehouse_input__of_a_dimension_is_the_whole_table(warehouse: DuckDBWarehouse) -> None:
    value = given(WarehouseIOManager(warehouse), "dim_station", None, 0)
    assert (tuple(value.column_names), value.num_rows) == (DIM_STATION.names, 1)


def test_lake_input__that_is_missing_names_the_remedy(lake: MemoryLake) -> None:
    with pytest.raises(StaleFlatFile, match="materialize the flat tables of 2022-01-11T22"):
        given(LakeIOManager(lake), "flat_status", None, 2)


def stored(manager: dg.IOManager, name: str, value: Any, hour: Hour = HOUR) -> dict[str, Any]:
    """The metadata of an output, by a real materialization."""

    @dg.asset(name=name, partitions_def=hourly_partitions(), io_manager_key="stored")
    def made() -> Any:
        return value

    done = dg.materialize([made], partition_key=hour.key, resources={"stored": manager})
    (event,) = done.asset_materializations_for_node(name)
    return {key: value.value for key, value in event.metadata.items()}


@pytest.mark.parametrize("table", FLAT_TABLES, ids=lambda table: table.name)
def test_lake_output__has_rows_and_path(table: Any) -> None:
    lake = hours.lake_of({0: stand()})
    files = {file.table.name: file for file in hours.flat_files(lake)}
    file = files[table.name]
    metadata = stored(LakeIOManager(lake), table.name, {HOUR.key: [file]})
    assert metadata["dagster/row_count"] == file.read().num_rows
    key = flat_key(table, HOUR, hours.FEED)
    assert metadata["path"] == f"memory://{key}"
    assert metadata["bytes"] == len(lake.get(key))
    assert metadata["archive_digest"] == file.archive_digest


def test_lake_output__of_a_frame_names_the_manager_for_frames() -> None:
    with pytest.raises(FrameError, match="name warehouse_io_manager for a frame"):
        stored(LakeIOManager(MemoryLake()), "mine", pa.table({"a": [1]}))


@pytest.mark.parametrize("annotation", [pa.Table, pd.DataFrame, frames.FlatStatus])
def test_lake_input__of_a_range_is_one_frame_in_the_order_of_hours(
    lake: MemoryLake, annotation: Any
) -> None:
    value = given_range(LakeIOManager(lake), "flat_status", annotation)
    assert len(value) == 2 and isinstance(value, pa.Table | pd.DataFrame)


def test_lake_input__of_a_range_without_annotation_is_files_by_hour(lake: MemoryLake) -> None:
    value = given_range(LakeIOManager(lake), "flat_status", None)
    assert [file.row_count for file in value.values()] == [0, 2]


@pytest.mark.parametrize("annotation", [pa.Table, pd.DataFrame, frames.FactStatus])
def test_warehouse_input__of_a_range_is_one_frame(
    warehouse: DuckDBWarehouse, annotation: Any
) -> None:
    value = given_range(WarehouseIOManager(warehouse), "fact_status", annotation)
    assert len(value) == 2 and isinstance(value, pa.Table | pd.DataFrame)


def test_warehouse_input__of_a_range_without_annotation_is_rows_by_hour(
    warehouse: DuckDBWarehouse,
) -> None:
    value = given_range(WarehouseIOManager(warehouse), "fact_status", None)
    assert [rows.num_rows for rows in value.values()] == [0, 2]


def test_warehouse_input__of_days_is_the_days_that_the_hour_lies_in(
    warehouse: DuckDBWarehouse,
) -> None:
    manager = WarehouseIOManager(warehouse)
    days = given(manager, "mart_city_day", frames.MartCityDay, 1)
    assert len(days) == 1 and (days["slot_at"] <= HOUR.end.replace(tzinfo=None)).all()
    # 2022-01-11T20 is of a day that ends at 23:00 UTC.
    assert given(manager, "mart_city_day", pd.DataFrame, 4).empty


def test_warehouse_input__that_is_not_as_declared_fails_with_its_column() -> None:
    class Wrong:
        def query_batches(self, sql: str, params: Any = None) -> Iterator[pa.Table]:
            columns = {column.name: pa.nulls(1, pa.string()) for column in FACT_STATUS.columns}
            yield pa.table(columns)

    with pytest.raises(dg.Failure, match=r"rows of warehouse\.fact_status are not as declared"):
        given(WarehouseIOManager(Wrong()), "fact_status", pd.DataFrame, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("asset", ["dim_station", "fact_poll", "fact_status"])
def test_warehouse_output__has_rows_and_path(lake: MemoryLake, asset: str) -> None:
    warehouse = DuckDBWarehouse(None)
    hour = hours.hour_after(1)
    hours.load(warehouse, lake, hour, only="none")
    (plan,) = (plan for plan in hours.derived_plans(hour) if plan.asset == asset)
    metadata = stored(
        WarehouseIOManager(warehouse), asset, SpanLoad([hour], lambda span: plan), hour
    )
    assert (
        metadata["dagster/row_count"] == {"dim_station": 1, "fact_poll": 2, "fact_status": 2}[asset]
    )
    assert metadata["rows"][asset] == metadata["dagster/row_count"]
    assert (metadata["unchanged"], metadata["path"]) == (False, "DuckDB in memory")


def test_table_metadata__has_columns_with_descriptions_table_and_key() -> None:
    metadata = table_metadata(FACT_STATUS)
    columns = metadata["dagster/column_schema"].columns
    assert [column.name for column in columns] == list(FACT_STATUS.names)
    assert all(column.description for column in columns)
    assert metadata["dagster/table_name"] == "warehouse.fact_status"
    assert metadata["key"] == "feed, place, evse_key, slot_at"

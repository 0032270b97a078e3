"""Frames of users' own assets in both engines: what is stored comes back, or nothing changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.hours import backfill_policy, hourly_partitions
from charging_assets.io_managers import WarehouseIOManager
from charging_assets.lake.s3 import S3Lake
from charging_assets.orchestration.runs import FIRST_TAG, LAST_TAG
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.frames import FrameError, to_arrow
from charging_assets.warehouse.interface import Warehouse
from charging_assets.warehouse.redshift.warehouse import RedshiftWarehouse
from charging_assets_tests.warehouse.redshifts import resource_of

AT = datetime(2024, 1, 1, 12, 0, 0, 7)
HOURLY = {"partitions_def": hourly_partitions(), "backfill_policy": backfill_policy()}


@pytest.fixture(params=["duckdb", "redshift"])
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    if request.param == "duckdb":
        return DuckDBWarehouse(None)
    redshift, lake = (request.getfixturevalue(name) for name in ("redshift", "s3_lake"))
    assert isinstance(lake, S3Lake)
    return RedshiftWarehouse(resource_of(redshift), lake, redshift.iam_role)


def made(
    warehouse: Warehouse, value: Any, hours: tuple[str, ...] = (), key: Any = "mine", **how: Any
) -> list[Any]:
    """Materialize an asset of a value, then by itself an asset downstream; what that one reads."""
    read: list[Any] = []
    name = dg.AssetKey(key)

    @dg.asset(key=name, io_manager_key="warehouse_io_manager", **how)
    def mine() -> Any:
        return value() if callable(value) else value

    how = {each: how[each] for each in ("partitions_def", "backfill_policy") if each in how}

    @dg.asset(ins={"given": dg.AssetIn(name)}, io_manager_key="warehouse_io_manager", **how)
    def downstream(given: pd.DataFrame) -> None:
        read.append(given)

    one = {"partition_key": hours[0]} if len(hours) == 1 else {}
    tags = {FIRST_TAG: hours[0], LAST_TAG: hours[-1]} if len(hours) > 1 else {}
    for selection in (["*" + name.to_user_string()], [downstream]):
        assert dg.materialize(
            [mine, downstream],
            selection=[mine] if selection[0] != downstream else [downstream],
            resources={"warehouse_io_manager": WarehouseIOManager(warehouse)},
            tags=tags,
            **one,
        ).success
    return read[0].to_dict("records")


def frame(*hours: int, n: int = 0) -> Callable[[], pd.DataFrame]:
    at = [datetime(2024, 1, 1, hour, 59) for hour in hours]
    return lambda: pd.DataFrame({"slot_at": pd.to_datetime(at), "n": [n] * len(at)})


def test_frame__of_every_type_comes_back_in_another_run(warehouse: Warehouse) -> None:
    value = pd.DataFrame(
        {
            "small": pd.Series([1, 2], dtype="uint8"), "big": [2**60, -1], "share": [0.5, None],
            "is_open": [True, False], "name": ["ä" * 300, None], "kind": pd.Categorical(["a", "b"]),
            "at": pd.to_datetime([AT, AT]).tz_localize("Europe/Berlin"),
            "day": [date(2024, 1, 1), date(2024, 2, 29)],
        }
    )  # fmt: skip
    first, second = made(warehouse, value)
    in_utc = pd.Timestamp(AT - timedelta(hours=1))
    assert first == {
        "small": 1, "big": 2**60, "share": 0.5, "is_open": True, "name": "ä" * 300, "kind": "a",
        "at": in_utc, "day": date(2024, 1, 1),
    }  # fmt: skip
    assert pd.isna(second["share"]) and second["name"] is None


@pytest.mark.parametrize(
    ("key", "metadata", "table"),
    [
        ("mine", {}, "user_tables.mine"),
        (["sales", "mine"], {}, "sales.mine"),
        (["a", "sales", "order"], {}, 'sales."order"'),
        (["sales", "mine"], {"schema": "other"}, "other.mine"),
        # A key of two parts is never one of this project's own tables.
        (["sales", "dim_station"], {}, "sales.dim_station"),
    ],
)
def test_frame__is_in_the_schema_of_the_metadata_the_prefix_or_users(
    warehouse: Warehouse, key: Any, metadata: dict[str, Any], table: str
) -> None:
    value = pa.table({"order": [1], "a b": ["x"], 'say "hi"': [0.5], "100%": [True]})
    assert made(warehouse, value, key=key, metadata=metadata) == value.to_pylist()
    assert warehouse.query(f"SELECT * FROM {table}").to_pylist() == value.to_pylist()


def test_frame__replaces_its_hours_and_no_others(warehouse: Warehouse) -> None:
    made(warehouse, frame(1, 2, 3, n=1), ("2024-01-01T01", "2024-01-01T03"), **HOURLY)
    assert made(warehouse, frame(2, n=2), ("2024-01-01T02",), **HOURLY)[0]["n"] == 2
    rows = "SELECT n FROM user_tables.mine ORDER BY slot_at"
    assert warehouse.query(rows).column(0).to_pylist() == [1, 2, 1]
    made(warehouse, frame(), ("2024-01-01T01",), **HOURLY)
    assert warehouse.query(rows).column(0).to_pylist() == [2, 1]
    # One frame over all hours of the run.
    assert len(made(warehouse, frame(1, 2, 2), ("2024-01-01T01", "2024-01-01T03"), **HOURLY)) == 3


def test_frame__of_a_range_states_the_rows_of_each_hour() -> None:
    @dg.asset(io_manager_key="io_manager", **HOURLY)
    def mine() -> pd.DataFrame:
        return frame(1, 3, 3)()

    done = dg.materialize(
        [mine],
        resources={"io_manager": WarehouseIOManager(DuckDBWarehouse(None))},
        tags={FIRST_TAG: "2024-01-01T01", LAST_TAG: "2024-01-01T03"},
    )
    counts = {
        event.partition: event.step_materialization_data.materialization.metadata[
            "dagster/row_count"
        ].value
        for event in done.get_asset_materialization_events()
    }
    assert counts == {"2024-01-01T01": 1, "2024-01-01T02": 0, "2024-01-01T03": 2}


def test_frame__without_partitions_replaces_everything(warehouse: Warehouse) -> None:
    made(warehouse, pa.table({"n": [1, 2]}))
    assert made(warehouse, pa.table({"n": [3]})) == [{"n": 3}]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (frame(1, 2), r"1 of 2 rows of the frame for user_tables.mine are of no partition"),
        (lambda: pd.DataFrame({"slot_at": pd.to_datetime([None]), "n": 1}), "1 of 1 rows"),
        (lambda: pd.DataFrame({"at": [AT]}), "has no column slot_at"),
        (lambda: pd.DataFrame({"slot_at": ["2024-01-01"], "n": 1}), "pandas.to_datetime"),
        (lambda: frame(1)().assign(n="text"), "the column n is bigint in the table"),
        (lambda: frame(1)().assign(n=1.5), "the column n is bigint in the table"),
        (lambda: frame(1)().assign(more=1), "the table has no column more"),
        (lambda: frame(1)().drop(columns="n"), "the frame has no column n"),
        (lambda: frame(1)().assign(n=[[1]]), r"the column n of mine is list<.*cast it"),
        (lambda: frame(1)().set_index("n"), r"reset_index\(\)"),
        (lambda: frame(1)().assign(n="ä" * 40_000), "a text of 80,000 bytes"),
        (lambda: None, "returned NoneType; return a pandas DataFrame or an Arrow table"),
        (lambda: {"n": 1}, "returned dict; return a pandas DataFrame"),
    ],
)
@pytest.mark.parametrize(
    "warehouse", ["duckdb", pytest.param("redshift", marks=pytest.mark.slow)], indirect=True
)
def test_frame__that_cannot_be_stored_leaves_the_old_rows(
    warehouse: Warehouse, value: Callable[[], Any], message: str
) -> None:
    made(warehouse, frame(1, n=7), ("2024-01-01T01",), **HOURLY)
    with pytest.raises(FrameError, match=message):
        made(warehouse, value, ("2024-01-01T01",), **HOURLY)
    assert warehouse.query("SELECT n FROM user_tables.mine").column(0).to_pylist() == [7]


def test_frame__whole_numbers_with_nulls_fit_the_column_that_is_there(
    warehouse: Warehouse,
) -> None:
    made(warehouse, pd.DataFrame({"n": [1, 2]}))
    assert made(warehouse, pd.DataFrame({"n": [3.0, None]}))[0] == {"n": 3}
    assert pd.isna(made(warehouse, pd.DataFrame({"n": [None]}))[0]["n"])


@pytest.mark.parametrize("key", ["mart_city_day", ["mart", "mine"], ["ops", "ledger"]])
def test_frame__never_takes_the_place_of_a_table_of_this_project(
    warehouse: Warehouse, key: Any
) -> None:
    with pytest.raises(FrameError, match=r"another (name|key prefix)"):
        made(warehouse, pa.table({"n": [1]}), key=key)


def test_input__that_was_never_stored_names_the_asset(warehouse: Warehouse) -> None:
    mine = dg.AssetSpec("mine").with_io_manager_key("warehouse_io_manager")

    @dg.asset
    def downstream(mine: pd.DataFrame) -> None: ...

    with pytest.raises(Exception, match="materialize mine first"):
        dg.materialize(
            [mine, downstream],
            resources={"warehouse_io_manager": WarehouseIOManager(warehouse)},
        )


def test_frame__of_polars_or_any_other_with_arrows_stream_is_taken() -> None:
    class Stream:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return pa.table({"n": [1]}).__arrow_c_stream__(requested_schema)

    assert to_arrow(Stream(), "mine").to_pylist() == [{"n": 1}]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (pd.DataFrame({"a": [1, "x"]}), "values that make no column"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "columns a twice|make no column"),
        (pa.table({"a": [1], "A": [2]}), "columns a twice"),
        (pd.DataFrame({0: [1]}), "a column named 0"),
        (pd.DataFrame(), "no column"),
        (pa.table({"a": pa.array([2**64 - 1], pa.uint64())}), "does not fit int64"),
        (pa.table({"a": pa.array([timedelta(1)])}), "cannot be stored; cast it"),
    ],
)
def test_arrow_of__what_cannot_be_stored_is_named(value: Any, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        to_arrow(value, "mine")


_VALUES = st.one_of(
    st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=1),
    st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"])))),
    st.lists(st.one_of(st.none(), st.booleans()), min_size=1),
    st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), min_size=1),
)


@settings(max_examples=15)
@given(
    values=_VALUES,
    name=st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1),
)
def test_frame__of_any_values_and_any_name_comes_back(values: list[Any], name: str) -> None:
    value, warehouse = pa.table({name: values}), DuckDBWarehouse(None)

    @dg.asset(io_manager_key="io_manager")
    def mine() -> pa.Table:
        return value

    read = []

    @dg.asset
    def downstream(mine: pa.Table) -> None:
        read.append(mine)

    done = dg.materialize(
        [mine, downstream], resources={"io_manager": WarehouseIOManager(warehouse)}
    )
    assert done.success
    assert read[0].column(name).to_pylist() == values


def test_input__of_a_day_is_one_frame_of_its_hours(warehouse: Warehouse) -> None:
    read = []

    @dg.asset(io_manager_key="warehouse_io_manager", **HOURLY)
    def mine(context) -> pd.DataFrame:  # type: ignore[no-untyped-def]
        keys = context.partition_keys
        at = [datetime.strptime(key, "%Y-%m-%dT%H") for key in keys]
        return pd.DataFrame({"slot_at": at})

    @dg.asset(partitions_def=dg.DailyPartitionsDefinition("2024-01-01"))
    def daily(mine: pd.DataFrame) -> None:
        read.append(len(mine))

    resources = {"warehouse_io_manager": WarehouseIOManager(warehouse)}
    tags = {FIRST_TAG: "2024-01-01T00", LAST_TAG: "2024-01-02T05"}
    assert dg.materialize([mine], resources=resources, tags=tags).success
    for day in ("2024-01-01", "2024-01-02"):
        done = dg.materialize(
            [mine, daily], selection=[daily], resources=resources, partition_key=day
        )
        assert done.success
    assert read == [24, 6]
    assert datetime.now(UTC) > datetime(2024, 1, 2, tzinfo=UTC)

"""The IO manager for assets of any project: a partition is replaced, or nothing is."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest

from charging_assets.lake.s3 import S3Lake
from charging_assets.redshift_io_manager import RedshiftIOManager
from charging_assets.warehouse.frames import frame_table
from charging_assets.warehouse.plan import Scope
from charging_assets.warehouse.redshift.connection import RedshiftResource
from charging_assets.warehouse.redshift.frames import RedshiftFrames
from charging_assets_tests.testbed.bed import Redshift
from charging_assets_tests.warehouse.redshifts import resource_of

DAILY = dg.DailyPartitionsDefinition(start_date="2024-01-01")
PLACES = dg.StaticPartitionsDefinition(["bonn", "kiel"])


@pytest.fixture
def manager(redshift: Redshift, s3_lake: S3Lake) -> RedshiftIOManager:
    return RedshiftIOManager(resource_of(redshift), s3_lake, redshift.iam_role)


def made(manager: RedshiftIOManager, value: Any, partition: str | None = None, **how: Any) -> Any:
    """Materialize an asset of a value, and what a downstream asset then reads of it."""
    read: list[Any] = []
    partitions = how.get("partitions_def")

    @dg.asset(key=["sales", "orders"], io_manager_key="redshift", **how)
    def orders() -> Any:
        return value

    @dg.asset(ins={"given": dg.AssetIn(["sales", "orders"])}, partitions_def=partitions)
    def downstream(given: pa.Table) -> None:
        read.append(given)

    done = dg.materialize(
        [orders, downstream],
        resources={"redshift": manager},
        partition_key=partition,
        raise_on_error=False,
    )
    return read[0].to_pylist() if done.success else done.all_node_events


def all_rows(manager: RedshiftIOManager, column: str) -> list[Any]:
    rows = manager._store.query(f"SELECT {column} FROM sales.orders ORDER BY 1")
    return rows.column(0).to_pylist()


def test_output__of_every_type_comes_back(manager: RedshiftIOManager, s3_lake: S3Lake) -> None:
    at = datetime(2024, 1, 1, 12, 0, 0, 7)
    frame = pd.DataFrame(
        {
            "small": pd.Series([1, 2], dtype="int8"), "big": [2**60, -1], "share": [0.5, None],
            "is_open": [True, False], "name": ["ä" * 300, None],
            "at": pd.to_datetime([at, None]), "kind": pd.Categorical(["a", "b"]),
        }
    )  # fmt: skip
    assert made(manager, frame) == [
        {"small": 1, "big": 2**60, "share": 0.5, "is_open": True, "name": "ä" * 300, "at": at,
         "kind": "a"},
        {"small": 2, "big": -1, "share": None, "is_open": False, "name": None, "at": None,
         "kind": "b"},
    ]  # fmt: skip
    assert s3_lake.keys("loads/") == []


def test_output__replaces_its_day_alone(manager: RedshiftIOManager) -> None:
    how = {"partitions_def": DAILY, "metadata": {"partition_expr": "at"}}

    def rows(day: int, *numbers: int) -> pa.Table:
        at = datetime(2024, 1, day, 23, 59)
        return pa.table({"at": pa.array([at] * len(numbers), pa.timestamp("ns")), "n": numbers})

    made(manager, rows(1, 1, 2), "2024-01-01", **how)
    made(manager, rows(2, 3), "2024-01-02", **how)
    again = made(manager, rows(1, 9), "2024-01-01", **how)
    assert [row["n"] for row in again] == [9]
    assert all_rows(manager, "n") == [3, 9]
    made(manager, rows(1, 9).slice(1), "2024-01-01", **how)
    assert all_rows(manager, "n") == [3]


def test_output__replaces_its_static_partition_alone(manager: RedshiftIOManager) -> None:
    how = {"partitions_def": PLACES, "metadata": {"partition_expr": "place"}}
    for place, n in (("bonn", 1), ("kiel", 2), ("bonn", 3)):
        made(manager, pa.table({"place": [place], "n": [n]}), place, **how)
    assert all_rows(manager, "n") == [2, 3]


def test_output__columns_in_another_order_go_by_name(manager: RedshiftIOManager) -> None:
    made(manager, pa.table({"a": [1], "b": [2]}))
    assert made(manager, pa.table({"b": [20], "a": [10]})) == [{"a": 10, "b": 20}]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (pa.table({"n": ["text"]}), "failed"),
        (pa.table({"n": [1], "more": [1]}), "more"),
        (pa.table({"n": [[1]]}), "which cannot be stored"),
    ],
)
def test_output__that_does_not_fit_leaves_the_old_rows(
    manager: RedshiftIOManager, s3_lake: S3Lake, wrong: pa.Table, message: str
) -> None:
    made(manager, pa.table({"n": [1]}))
    events = made(manager, wrong)
    failures = str([event for event in events if event.is_step_failure])
    assert message in failures
    assert all_rows(manager, "n") == [1]
    assert s3_lake.keys("loads/") == []


def test_output__with_partitions_but_no_column_for_them_is_refused(
    manager: RedshiftIOManager,
) -> None:
    events = made(manager, pa.table({"n": [1]}), "bonn", partitions_def=PLACES)
    assert "partition_expr" in str([event for event in events if event.is_step_failure])


def test_output__into_an_existing_schema_needs_no_right_on_the_database(
    redshift: Redshift, s3_lake: S3Lake
) -> None:
    user, password = f"stores_{uuid.uuid4().hex}", "Stores-Password-1"
    connection = resource_of(redshift).connect()
    for statement in (
        f"CREATE USER {user} PASSWORD '{password}'",
        "CREATE SCHEMA sales",
        f"GRANT CREATE, USAGE ON SCHEMA sales TO {user}",
    ):
        connection.cursor().execute(statement)
    connection.close()
    resource = RedshiftResource(
        **{**resource_of(redshift).model_dump(), "user": user, "password": password}
    )
    rows = pa.table({"number": [1]})
    frames = RedshiftFrames(resource, s3_lake, redshift.iam_role)
    frames.replace_rows(frame_table("sales", "orders", rows.schema), Scope("TRUE"), rows)
    assert frames.query("SELECT number FROM sales.orders").to_pylist() == [{"number": 1}]

"""Plans: scopes, their parameters, and rows that are refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from charging_assets.hours import Hour
from charging_assets.modelling import plans
from charging_assets.modelling.hour_plans import derived_plans
from charging_assets.schemas.render import arrow_schema
from charging_assets.schemas.table import Table, at, count, key, text
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.plan import (
    BindParams,
    CreateTempTable,
    Guard,
    LoadResult,
    ReplaceFromArrow,
    ReplaceFromSelect,
    WrongColumns,
    check_columns,
    hour_scope,
    key_scope,
    window,
)
from charging_assets.warehouse.transpile import transpile

HOUR = Hour.parse("2022-01-11T20")
START, END = datetime(2022, 1, 11, 20), datetime(2022, 1, 11, 21)
LITTLE = Table(
    schema="staging",
    name="little",
    grain="one row per slot and name",
    key=("slot_at", "name"),
    columns=(
        at("slot_at", "slot"),
        text("name", 8, "name", nullable=False),
        key("amount", "amount", nullable=True),
    ),
)
TIMELESS = Table("staging", "timeless", "one row per name", ("name",), LITTLE.columns, None)


def test_window__is_the_hour_in_naive_utc() -> None:
    assert window(HOUR) == {"window_start": START, "window_end": END}
    assert window(HOUR, "x") == {"x_start": START, "x_end": END}


def test_hour_scope__is_half_open_and_names_its_equals() -> None:
    scope = hour_scope(LITTLE, HOUR, name="a")
    assert scope.predicate == (
        "slot_at >= :scope_start AND slot_at < :scope_end AND name = :scope_name"
    )
    assert scope.params == {"scope_start": START, "scope_end": END, "scope_name": "a"}


@pytest.mark.parametrize(
    ("at", "is_in"),
    [
        ("2022-01-11 19:59:59.999999", False),
        ("2022-01-11 20:00:00", True),
        ("2022-01-11 20:59:59.999999", True),
        ("2022-01-11 21:00:00", False),
    ],
)
def test_hour_scope__bounds_on_the_engine(at: str, is_in: bool) -> None:
    scope = hour_scope(LITTLE, HOUR)
    rows = DuckDBWarehouse(None).query(
        f"SELECT 1 AS one FROM (SELECT CAST(:at AS TIMESTAMP) AS slot_at) AS t "
        f"WHERE {scope.predicate}",
        {**scope.params, "at": at},
    )
    assert rows.num_rows == is_in


def test_hour_scope__of_a_table_without_hours_is_refused() -> None:
    with pytest.raises(ValueError, match=r"staging\.timeless is not partitioned by hour"):
        hour_scope(TIMELESS, HOUR)


def test_key_scope__takes_keys_from_a_temp_table() -> None:
    scope = key_scope("entity_key", "affected_entity", entity_type="evse")
    assert scope.predicate == (
        "entity_key IN (SELECT entity_key FROM affected_entity) "
        "AND entity_type = :scope_entity_type"
    )
    assert scope.params == {"scope_entity_type": "evse"}
    assert key_scope("evse_key", "affected_entity").params == {}


ALL_PLANS = derived_plans(HOUR)


@pytest.mark.parametrize("plan", ALL_PLANS, ids=lambda plan: plan.asset)
def test_plan__binds_every_parameter_that_its_statements_name(plan: plans.Plan) -> None:
    available: set[str] = set()
    for step in plan.steps:
        assert not isinstance(step, ReplaceFromArrow)
        assert transpile(step.select)[1] <= set(step.params) | available
        if isinstance(step, ReplaceFromSelect):
            delete = f"DELETE FROM {step.table.full_name} WHERE {step.scope.predicate}"
            named = transpile(delete)[1]
            assert set(step.scope.params) <= named <= set(step.scope.params) | available
        if isinstance(step, BindParams):
            assert not available & set(step.names)
            available |= set(step.names)


@pytest.mark.parametrize("plan", ALL_PLANS, ids=lambda plan: plan.asset)
def test_plan__makes_temp_tables_before_it_reads_them(plan: plans.Plan) -> None:
    made: set[str] = set()
    temps = {step.name for step in plan.steps if isinstance(step, CreateTempTable)}
    for step in plan.steps:
        assert isinstance(step, CreateTempTable | ReplaceFromSelect | Guard | BindParams)
        read = {name for name in temps if name in step.select.split("WITH", 1)[-1]}
        read |= {
            name
            for name in temps
            if isinstance(step, ReplaceFromSelect) and name in step.scope.predicate
        }
        assert read <= made, step
        if isinstance(step, CreateTempTable):
            made.add(step.name)


def test_dimension_plan__finds_affected_entities_before_it_replaces_observations() -> None:
    plan = plans.dimension_plan(plans.STATION, HOUR)
    order = [
        step.table.name if isinstance(step, ReplaceFromSelect) else step.name
        for step in plan.steps
        if isinstance(step, ReplaceFromSelect | CreateTempTable)
    ]
    assert order.index("affected_entity") < order.index("entity_observation")
    assert order.index("entity_observation") < order.index("entity_version")
    # Tables made from a dimension come after it.
    assert order.index("entity_version") < order.index("dim_station")
    assert order[-1] == "bridge_station_opening"


def test_loaded__counts_all_tables() -> None:
    assert LoadResult({"a": 2, "b": 3}).row_count == 5
    assert LoadResult({}).row_count == 0


def little(**columns: pa.Array) -> pa.Table:
    given = {
        "slot_at": pa.array([START], pa.timestamp("us")),
        "name": pa.array(["a"]),
        "amount": pa.array([1], pa.int64()),
    }
    return pa.table({**given, **columns})


def test_check_columns__takes_the_declared_ones() -> None:
    check_columns(LITTLE, little(), arrow_schema(LITTLE))
    check_columns(LITTLE, little(amount=pa.array([None], pa.int64())), arrow_schema(LITTLE))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (little().select(["slot_at", "amount", "name"]), "order"),
        (little().select(["slot_at", "name"]), "amount"),
        (little(more=pa.array([1])), "more"),
        (little(amount=pa.array([1], pa.int32())), "int32"),
        (little(amount=pa.array(["1"])), "string"),
        (little(slot_at=pa.array([START], pa.timestamp("ns"))), "ns"),
        (little(slot_at=pa.array([START.replace(tzinfo=UTC)], pa.timestamp("us", "UTC"))), "UTC"),
        (little(name=pa.array(["a"]).dictionary_encode()), "dictionary"),
        (little(name=pa.array([None], pa.string())), "nulls in name"),
    ],
)
def test_check_columns__refuses_others(wrong: pa.Table, message: str) -> None:
    with pytest.raises(WrongColumns, match=rf"(?s)staging\.little.*{message}"):
        check_columns(LITTLE, wrong, arrow_schema(LITTLE))


def test_count__is_an_integer_column() -> None:
    assert (
        arrow_schema(Table("s", "t", "g", ("n",), (count("n", "n"),))).field("n").type == pa.int32()
    )

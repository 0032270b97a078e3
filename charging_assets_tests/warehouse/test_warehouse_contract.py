"""The contract of all warehouses: a load is atomic and idempotent.

Run against DuckDB in a file and in memory, against the test bed's Redshift under both isolation
levels, and against a real cluster where `make verify-redshift` names one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from charging_assets.warehouse.interface import Warehouse
from charging_assets.warehouse.plan import (
    BindParams,
    CreateTempTable,
    Guard,
    GuardFailed,
    LoadError,
    LoadResult,
    NotStaged,
    ReplaceFromArrow,
    ReplaceFromSelect,
    Scope,
    WrongColumns,
    hour_scope,
)
from charging_assets_tests.warehouse.loads import (
    AT,
    DERIVED,
    GIVEN,
    HOUR,
    a_load,
    names,
    sample_rows,
    state,
)


def test_apply__replaces_the_scope_and_counts(warehouse: Warehouse) -> None:
    assert warehouse.apply(a_load(sample_rows("a", "b"))) == LoadResult({"given": 2, "derived": 2})
    assert warehouse.apply(a_load(sample_rows("c"), "d2")) == LoadResult({"given": 1, "derived": 1})
    assert (names(warehouse, GIVEN), names(warehouse)) == (["c"], ["c"])


def test_apply__inserts_by_name_not_by_position(warehouse: Warehouse) -> None:
    warehouse.apply(a_load(sample_rows("a", amount=21)))
    assert warehouse.query("SELECT * FROM warehouse.derived").to_pylist() == [
        {"slot_at": AT, "name": "a", "amount": 42}
    ]


def test_apply__leaves_other_hours_alone(warehouse: Warehouse) -> None:
    for at_, name in (
        (datetime(2022, 1, 11, 19, 59), "before"),
        (datetime(2022, 1, 11, 21), "after"),
    ):
        warehouse.execute(
            ("INSERT INTO staging.given (slot_at, name, amount) VALUES (:at, :name, 1)",
             {"at": at_, "name": name}),
        )  # fmt: skip
    warehouse.apply(a_load(sample_rows("a").slice(1), steps=a_load(sample_rows()).steps[:1]))
    assert names(warehouse, GIVEN) == ["after", "before"]


def test_apply__empty_rows_empty_the_scope(warehouse: Warehouse) -> None:
    warehouse.apply(a_load(sample_rows("a")))
    assert warehouse.apply(a_load(sample_rows(), "d2")).row_counts == {"given": 0, "derived": 0}


def test_apply__writes_one_ledger_row_an_asset_and_hour(warehouse: Warehouse) -> None:
    warehouse.apply(a_load(sample_rows("a"), archive_digest="a1"))
    before = datetime.now(UTC)
    warehouse.apply(a_load(sample_rows("a", "b"), "d2", archive_digest="a2"))
    after = datetime.now(UTC)
    (row,) = warehouse.query("SELECT * FROM ops.ledger").to_pylist()
    loaded_at = row.pop("loaded_at")
    assert len(row.pop("load_id")) == 32
    assert row == {
        "asset": "derived", "feed": "", "slot_at": datetime(2022, 1, 11, 20),
        "archive_digest": "a2",
        "input_digest": "d2", "code_version": "c1", "row_count": 4,
        "row_counts": '{"derived": 2, "given": 2}', "is_staged": True,
    }  # fmt: skip
    assert before <= loaded_at.replace(tzinfo=UTC) <= after


def test_apply__takes_its_input_from_the_ledger(warehouse: Warehouse) -> None:
    later = a_load(sample_rows("a"), asset="later", input_digest=None, input_from="derived")
    with pytest.raises(NotStaged, match="2022-01-11T20 is not staged; materialize derived"):
        warehouse.apply(later)
    warehouse.apply(a_load(sample_rows("a"), "d7", archive_digest="a7"))
    warehouse.apply(later)
    rows = warehouse.query(
        "SELECT input_digest, archive_digest FROM ops.ledger WHERE asset='later'"
    )
    assert rows.to_pylist() == [{"input_digest": "d7", "archive_digest": "a7"}]


def test_skip_if_same__is_a_no_op(warehouse: Warehouse) -> None:
    warehouse.apply(a_load(sample_rows("a"), skip_if_same=True))
    before = state(warehouse)
    again = warehouse.apply(a_load(sample_rows("other"), skip_if_same=True))
    assert again == LoadResult({"given": 1, "derived": 1}, skipped=True)
    assert state(warehouse) == before


@pytest.mark.parametrize("change", [{"input_digest": "d2"}, {"code_version": "c2"}])
def test_skip_if_same__other_input_or_code_loads(
    warehouse: Warehouse, change: dict[str, str]
) -> None:
    warehouse.apply(a_load(sample_rows("a"), skip_if_same=True))
    assert warehouse.apply(a_load(sample_rows("b"), skip_if_same=True, **change)).skipped is False
    assert names(warehouse) == ["b"]


@pytest.mark.parametrize(
    "loss",
    [
        "DELETE FROM staging.given WHERE name = 'a'",
        "DELETE FROM warehouse.derived",
        "INSERT INTO warehouse.derived SELECT slot_at, 'x', 1 FROM warehouse.derived LIMIT 1",
        "UPDATE ops.ledger SET is_staged = FALSE",
        "DELETE FROM ops.ledger",
    ],
)
def test_skip_if_same__trusts_no_ledger_whose_rows_are_not_there(
    warehouse: Warehouse, loss: str
) -> None:
    plan = a_load(sample_rows("a", "b"), skip_if_same=True)
    warehouse.apply(plan)
    warehouse.execute((loss, {}))
    assert warehouse.apply(plan).skipped is False
    assert names(warehouse) == ["a", "b"]


@pytest.mark.parametrize("at_step", range(5))
def test_apply__a_step_that_the_engine_refuses_leaves_the_old_rows(
    warehouse: Warehouse, at_step: int
) -> None:
    warehouse.apply(a_load(sample_rows("old")))
    before = state(warehouse)
    broken = CreateTempTable("broken", "SELECT CAST('x' AS INTEGER) AS no_number")
    steps = a_load(sample_rows("new")).steps
    plan = a_load(sample_rows("new"), "d2", steps=(*steps[:at_step], broken, *steps[at_step:]))
    with pytest.raises(LoadError, match="loading derived for 2022-01-11T20 failed, nothing was ch"):
        warehouse.apply(plan)
    assert state(warehouse) == before
    assert warehouse.apply(a_load(sample_rows("new"), "d2")).row_counts["derived"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        sample_rows("new").select(["name", "slot_at", "amount"]),
        sample_rows("new").select(["slot_at", "name"]),
        sample_rows("new").rename_columns(["slot_at", "amount", "name"]),
        sample_rows("new").set_column(2, "amount", pa.array(["1"])),
        sample_rows("new").set_column(2, "amount", pa.array([1.5])),
        sample_rows("new").set_column(0, "slot_at", pa.array(["2022-01-11 20:10:00"])),
        sample_rows("new").set_column(1, "name", pa.array([None], pa.string())),
        sample_rows("new").append_column("more", pa.array([1])),
    ],
    ids=["swapped", "missing", "misnamed", "text", "float", "untimed", "null", "more"],
)
def test_apply__rows_with_other_columns_are_refused_and_the_old_ones_stay(
    warehouse: Warehouse, wrong: pa.Table
) -> None:
    warehouse.apply(a_load(sample_rows("old")))
    before = state(warehouse)
    with pytest.raises(WrongColumns, match=r"staging\.given"):
        warehouse.apply(a_load(wrong, "d2"))
    assert state(warehouse) == before


def test_apply__a_select_without_a_column_is_refused(warehouse: Warehouse) -> None:
    warehouse.apply(a_load(sample_rows("old")))
    before = state(warehouse)
    short = ReplaceFromSelect(
        DERIVED, hour_scope(DERIVED, HOUR), "SELECT slot_at, name FROM doubled"
    )
    with pytest.raises(LoadError, match="amount"):
        warehouse.apply(a_load(sample_rows("new"), "d2", short))
    assert state(warehouse) == before


def test_apply__rows_that_cannot_be_read_are_no_empty_rows(warehouse: Warehouse) -> None:
    warehouse.apply(a_load(sample_rows("old")))
    before = state(warehouse)

    def missing() -> pa.Table:
        raise FileNotFoundError("the file is gone")

    step = ReplaceFromArrow(GIVEN, hour_scope(GIVEN, HOUR), missing)
    with pytest.raises(FileNotFoundError):
        warehouse.apply(a_load(sample_rows(), "d2", steps=(step,)))
    assert state(warehouse) == before


def test_apply__a_failing_guard_rolls_back_and_names_the_remedy(warehouse: Warehouse) -> None:
    warehouse.apply(a_load(sample_rows("old")))
    before = state(warehouse)
    guard = Guard("derived__has_no_new", "SELECT name FROM warehouse.derived WHERE name = :name",
                  {"name": "new"}, "Do this.")  # fmt: skip
    with pytest.raises(GuardFailed, match=r"derived__has_no_new does not hold.*'new'.*Do this\."):
        warehouse.apply(a_load(sample_rows("new"), "d2", guard))
    assert state(warehouse) == before


@pytest.mark.parametrize("where", ["rows", "select"])
def test_apply__a_doubled_key_is_refused(warehouse: Warehouse, where: str) -> None:
    warehouse.apply(a_load(sample_rows("old")))
    before = state(warehouse)
    twice = ReplaceFromSelect(
        DERIVED,
        hour_scope(DERIVED, HOUR),
        "SELECT slot_at, name, amount FROM doubled UNION ALL SELECT slot_at, name, 9 FROM doubled",
    )
    plan = (
        a_load(sample_rows("new", "new"), "d2")
        if where == "rows"
        else a_load(sample_rows("new"), "d2", twice)
    )
    with pytest.raises(GuardFailed, match=r"key \(slot_at, name\) is not unique"):
        warehouse.apply(plan)
    assert state(warehouse) == before


ELSEWHERE = {
    "rows": ReplaceFromArrow(GIVEN, Scope("name = 'new'"), lambda: sample_rows("new", "away")),
    "select": ReplaceFromSelect(
        DERIVED,
        hour_scope(DERIVED, HOUR),
        "SELECT slot_at, name, amount FROM staging.given UNION ALL "
        "SELECT DATEADD(hour, 1, slot_at) AS slot_at, name, amount FROM staging.given",
    ),
}


@pytest.mark.parametrize("step", ELSEWHERE.values(), ids=ELSEWHERE)
def test_apply__rows_outside_of_the_scope_are_refused(
    warehouse: Warehouse, step: ReplaceFromArrow | ReplaceFromSelect
) -> None:
    warehouse.apply(a_load(sample_rows("old")))
    before = state(warehouse)
    with pytest.raises(GuardFailed, match=r"1 of 2 new rows are outside of the scope to replace"):
        warehouse.apply(a_load(sample_rows(), "d2", steps=(step,)))
    assert state(warehouse) == before


def test_execute__is_one_transaction(warehouse: Warehouse) -> None:
    warehouse.apply(a_load(sample_rows("old")))
    before = state(warehouse)
    with pytest.raises(LoadError):
        warehouse.execute(("DELETE FROM warehouse.derived", {}), ("DELETE FROM ops.none", {}))
    assert state(warehouse) == before


def test_query__reads_rows_with_parameters(warehouse: Warehouse) -> None:
    warehouse.apply(a_load(sample_rows("a", "b")))
    rows = warehouse.query("SELECT name FROM warehouse.derived WHERE name = :name", {"name": "b"})
    assert rows.to_pylist() == [{"name": "b"}]


def test_query__thinks_in_utc(warehouse: Warehouse) -> None:
    rows = warehouse.query("SELECT EXTRACT(hour FROM TIMESTAMP '2022-01-11 20:00:00' "
                            "AT TIME ZONE 'Europe/Berlin') AS hour_of_day")  # fmt: skip
    assert rows.to_pylist() == [{"hour_of_day": 19}]


def test_apply__later_steps_and_scopes_use_values_of_earlier_steps(
    warehouse: Warehouse,
) -> None:
    warehouse.apply(a_load(sample_rows("a", "b")))
    greatest = BindParams(("latest",), "SELECT MAX(name) AS latest FROM staging.given")
    scope = Scope("name = :latest AND slot_at >= :since", {"since": AT})
    select = "SELECT slot_at, name, amount + 10 AS amount FROM staging.given WHERE name = :latest"
    plan = replace(
        a_load(sample_rows("a", "b")), steps=(greatest, ReplaceFromSelect(DERIVED, scope, select))
    )
    warehouse.apply(replace(plan, asset="later", skip_if_same=False))
    rows = warehouse.query("SELECT name, amount FROM warehouse.derived ORDER BY name")
    assert rows.to_pylist() == [{"name": "a", "amount": 2}, {"name": "b", "amount": 11}]

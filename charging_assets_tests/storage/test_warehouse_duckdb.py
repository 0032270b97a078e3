"""DuckDB as the warehouse: a load is all or nothing, and who waits for whom."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from charging_assets.partitions import Hour
from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.render import create_table
from charging_assets.schemas.table import Table, at, key, text
from charging_assets.schemas.warehouse import FACT_STATUS
from charging_assets.storage import migrate as migration
from charging_assets.storage.migrate import CannotMigrate
from charging_assets.storage.plan import (
    Bind,
    Guard,
    GuardFailed,
    Loaded,
    LoadError,
    LoadRows,
    NotStaged,
    Plan,
    Replace,
    Scope,
    Temp,
    WrongColumns,
    hour_scope,
)
from charging_assets.storage.warehouse import NoWarehouse, WarehouseError
from charging_assets.storage.warehouse_duckdb import DuckDBWarehouse, _DuckDBSession

HOUR = Hour.parse("2022-01-11T20")
AT = datetime(2022, 1, 11, 20, 10)
COLUMNS = (
    at("slot_at", "slot"),
    text("name", 8, "name", nullable=False),
    key("amount", "amount", nullable=True),
)
GIVEN = Table("staging", "given", "one row per slot and name", ("slot_at", "name"), COLUMNS)
DERIVED = replace(GIVEN, schema="warehouse", name="derived")


def told(*names: str, amount: int | None = 1, slot_at: datetime = AT) -> pa.Table:
    return pa.table(
        {
            "slot_at": pa.array([slot_at] * len(names), pa.timestamp("us")),
            "name": pa.array(names, pa.string()),
            "amount": pa.array([amount] * len(names), pa.int64()),
        }
    )


def with_tables(warehouse: DuckDBWarehouse) -> DuckDBWarehouse:
    warehouse.execute(*((create_table(t, dialect="duckdb"), {}) for t in (GIVEN, DERIVED)))
    return warehouse


@pytest.fixture(params=["file", "memory"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> DuckDBWarehouse:
    path = tmp_path / "warehouse.duckdb" if request.param == "file" else None
    return with_tables(DuckDBWarehouse(path))


@pytest.fixture
def in_file(tmp_path: Path) -> DuckDBWarehouse:
    return with_tables(DuckDBWarehouse(tmp_path / "warehouse.duckdb", patience_s=20))


def a_load(rows: pa.Table, digest: str = "d1", *more: Any, **settings: Any) -> Plan:
    """Every sort of step: rows from outside, a temp table, rows derived from it, a guard."""
    scope = hour_scope(GIVEN, HOUR)
    steps = (
        LoadRows(GIVEN, scope, lambda: rows),
        Temp("doubled", "SELECT slot_at, name, amount * 2 AS amount FROM staging.given"),
        Replace(DERIVED, scope, "SELECT amount, name, slot_at FROM doubled"),
        Guard("derived__stands_for_given", "SELECT name FROM warehouse.derived WHERE amount < 0"),
    )
    given = {"asset": "derived", "hour": HOUR, "code_version": "c1", "input_digest": digest}
    return Plan(**{**given, "steps": (*steps, *more), **settings})


def state(warehouse: DuckDBWarehouse) -> dict[str, list[Any]]:
    return {
        name: sorted(map(repr, warehouse.query(f"SELECT * FROM {name}").to_pylist()))
        for name in (GIVEN.full_name, DERIVED.full_name, "ops.ledger")
    }


def names(warehouse: DuckDBWarehouse, table: Table = DERIVED) -> list[str]:
    return warehouse.query(f"SELECT name FROM {table.full_name} ORDER BY name")["name"].to_pylist()


# --- a load -----------------------------------------------------------------------------------


def test_apply__replaces_the_scope_and_counts(warehouse: DuckDBWarehouse) -> None:
    assert warehouse.apply(a_load(told("a", "b"))) == Loaded({"given": 2, "derived": 2})
    assert warehouse.apply(a_load(told("c"), "d2")) == Loaded({"given": 1, "derived": 1})
    assert (names(warehouse, GIVEN), names(warehouse)) == (["c"], ["c"])


def test_apply__inserts_by_name_not_by_position(warehouse: DuckDBWarehouse) -> None:
    warehouse.apply(a_load(told("a", amount=21)))
    assert warehouse.query("SELECT * FROM warehouse.derived").to_pylist() == [
        {"slot_at": AT, "name": "a", "amount": 42}
    ]


def test_apply__leaves_other_hours_alone(warehouse: DuckDBWarehouse) -> None:
    for at_, name in (
        (datetime(2022, 1, 11, 19, 59), "before"),
        (datetime(2022, 1, 11, 21), "after"),
    ):
        warehouse.execute(
            ("INSERT INTO staging.given (slot_at, name, amount) VALUES (:at, :name, 1)",
             {"at": at_, "name": name}),
        )  # fmt: skip
    warehouse.apply(a_load(told("a").slice(1), steps=a_load(told()).steps[:1]))
    assert names(warehouse, GIVEN) == ["after", "before"]


def test_apply__empty_rows_empty_the_scope(warehouse: DuckDBWarehouse) -> None:
    warehouse.apply(a_load(told("a")))
    assert warehouse.apply(a_load(told(), "d2")).row_counts == {"given": 0, "derived": 0}


def test_apply__writes_one_ledger_row_an_asset_and_hour(warehouse: DuckDBWarehouse) -> None:
    warehouse.apply(a_load(told("a"), archive_digest="a1"))
    warehouse.apply(a_load(told("a", "b"), "d2", archive_digest="a2"))
    (row,) = warehouse.query("SELECT * FROM ops.ledger").to_pylist()
    loaded_at = row.pop("loaded_at")
    assert row == {
        "asset": "derived", "slot_at": datetime(2022, 1, 11, 20), "archive_digest": "a2",
        "input_digest": "d2", "code_version": "c1", "row_count": 4,
        "row_counts": '{"derived": 2, "given": 2}', "is_staged": True,
    }  # fmt: skip
    assert abs((datetime.utcnow() - loaded_at).total_seconds()) < 60


def test_apply__takes_its_input_from_the_ledger(warehouse: DuckDBWarehouse) -> None:
    later = a_load(told("a"), asset="later", input_digest=None, input_from="derived")
    with pytest.raises(NotStaged, match="2022-01-11T20 is not staged; materialize derived"):
        warehouse.apply(later)
    warehouse.apply(a_load(told("a"), "d7", archive_digest="a7"))
    warehouse.apply(later)
    found = warehouse.query(
        "SELECT input_digest, archive_digest FROM ops.ledger WHERE asset='later'"
    )
    assert found.to_pylist() == [{"input_digest": "d7", "archive_digest": "a7"}]


# --- skip_if_same -----------------------------------------------------------------------------


def test_skip_if_same__is_a_no_op(warehouse: DuckDBWarehouse) -> None:
    warehouse.apply(a_load(told("a"), skip_if_same=True))
    before = state(warehouse)
    again = warehouse.apply(a_load(told("other"), skip_if_same=True))
    assert again == Loaded({"given": 1, "derived": 1}, skipped=True)
    assert state(warehouse) == before


@pytest.mark.parametrize("change", [{"input_digest": "d2"}, {"code_version": "c2"}])
def test_skip_if_same__other_input_or_code_loads(
    warehouse: DuckDBWarehouse, change: dict[str, str]
) -> None:
    warehouse.apply(a_load(told("a"), skip_if_same=True))
    assert warehouse.apply(a_load(told("b"), skip_if_same=True, **change)).skipped is False
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
    warehouse: DuckDBWarehouse, loss: str
) -> None:
    plan = a_load(told("a", "b"), skip_if_same=True)
    warehouse.apply(plan)
    warehouse.execute((loss, {}))
    assert warehouse.apply(plan).skipped is False
    assert names(warehouse) == ["a", "b"]


# --- all or nothing ---------------------------------------------------------------------------


class Planted(Exception):
    pass


def _failing(monkeypatch: pytest.MonkeyPatch, number: int, error: Exception) -> list[int]:
    """Let the n-th call of a session fail; the list counts the calls."""
    calls = [0]
    for name in ("execute", "fetch", "insert"):
        real = getattr(_DuckDBSession, name)

        def call(self: Any, *args: Any, _real: Callable[..., Any] = real) -> Any:
            calls[0] += 1
            if calls[0] == number:
                raise error
            return _real(self, *args)

        monkeypatch.setattr(_DuckDBSession, name, call)
    return calls


@pytest.mark.parametrize(
    "error", [duckdb.IOException("planted"), Planted("planted")], ids=["engine", "own"]
)
def test_apply__an_error_at_any_statement_leaves_the_old_rows(
    error: Exception,
) -> None:
    warehouse = with_tables(DuckDBWarehouse(None))
    warehouse.apply(a_load(told("old")))
    before = state(warehouse)
    wanted = LoadError if isinstance(error, duckdb.Error) else Planted
    number = 0
    while True:
        number += 1
        with pytest.MonkeyPatch.context() as patch:
            calls = _failing(patch, number, error)
            with suppress(wanted):
                warehouse.apply(a_load(told("new", "newer"), "d2"))
            if calls[0] < number:
                break
        assert state(warehouse) == before, f"statement {number}"
    assert number > 12
    assert names(warehouse) == ["new", "newer"]


@pytest.mark.parametrize("at_step", range(5))
def test_apply__a_step_that_the_engine_refuses_leaves_the_old_rows(
    warehouse: DuckDBWarehouse, at_step: int
) -> None:
    warehouse.apply(a_load(told("old")))
    before = state(warehouse)
    broken = Temp("broken", "SELECT CAST('x' AS INTEGER) AS no_number")
    steps = a_load(told("new")).steps
    plan = a_load(told("new"), "d2", steps=(*steps[:at_step], broken, *steps[at_step:]))
    with pytest.raises(LoadError, match="loading derived for 2022-01-11T20 failed, nothing was ch"):
        warehouse.apply(plan)
    assert state(warehouse) == before
    assert warehouse.apply(a_load(told("new"), "d2")).row_counts["derived"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        told("new").select(["name", "slot_at", "amount"]),
        told("new").select(["slot_at", "name"]),
        told("new").rename_columns(["slot_at", "amount", "name"]),
        told("new").set_column(2, "amount", pa.array(["1"])),
        told("new").set_column(2, "amount", pa.array([1.5])),
        told("new").set_column(0, "slot_at", pa.array(["2022-01-11 20:10:00"])),
        told("new").set_column(1, "name", pa.array([None], pa.string())),
        told("new").append_column("more", pa.array([1])),
    ],
    ids=["swapped", "missing", "misnamed", "text", "float", "untimed", "null", "more"],
)
def test_apply__rows_with_other_columns_are_refused_and_the_old_ones_stay(
    warehouse: DuckDBWarehouse, wrong: pa.Table
) -> None:
    warehouse.apply(a_load(told("old")))
    before = state(warehouse)
    with pytest.raises(WrongColumns, match=r"staging\.given"):
        warehouse.apply(a_load(wrong, "d2"))
    assert state(warehouse) == before


def test_apply__a_select_without_a_column_is_refused(warehouse: DuckDBWarehouse) -> None:
    warehouse.apply(a_load(told("old")))
    before = state(warehouse)
    short = Replace(DERIVED, hour_scope(DERIVED, HOUR), "SELECT slot_at, name FROM doubled")
    with pytest.raises(LoadError, match="amount"):
        warehouse.apply(a_load(told("new"), "d2", short))
    assert state(warehouse) == before


def test_apply__rows_that_cannot_be_read_are_no_empty_rows(warehouse: DuckDBWarehouse) -> None:
    warehouse.apply(a_load(told("old")))
    before = state(warehouse)

    def missing() -> pa.Table:
        raise FileNotFoundError("the file is gone")

    step = LoadRows(GIVEN, hour_scope(GIVEN, HOUR), missing)
    with pytest.raises(FileNotFoundError):
        warehouse.apply(a_load(told(), "d2", steps=(step,)))
    assert state(warehouse) == before


def test_apply__a_failing_guard_rolls_back_and_says_what_to_do(warehouse: DuckDBWarehouse) -> None:
    warehouse.apply(a_load(told("old")))
    before = state(warehouse)
    guard = Guard("derived__has_no_new", "SELECT name FROM warehouse.derived WHERE name = :name",
                  {"name": "new"}, "Do this.")  # fmt: skip
    with pytest.raises(GuardFailed, match=r"derived__has_no_new does not hold.*'new'.*Do this\."):
        warehouse.apply(a_load(told("new"), "d2", guard))
    assert state(warehouse) == before


@pytest.mark.parametrize("where", ["rows", "select"])
def test_apply__a_doubled_key_is_refused(warehouse: DuckDBWarehouse, where: str) -> None:
    warehouse.apply(a_load(told("old")))
    before = state(warehouse)
    twice = Replace(
        DERIVED,
        hour_scope(DERIVED, HOUR),
        "SELECT slot_at, name, amount FROM doubled UNION ALL SELECT slot_at, name, 9 FROM doubled",
    )
    plan = a_load(told("new", "new"), "d2") if where == "rows" else a_load(told("new"), "d2", twice)
    with pytest.raises(GuardFailed, match=r"would hold a key \(slot_at, name\) more than once"):
        warehouse.apply(plan)
    assert state(warehouse) == before


def test_execute__is_one_transaction(warehouse: DuckDBWarehouse) -> None:
    warehouse.apply(a_load(told("old")))
    before = state(warehouse)
    with pytest.raises(duckdb.Error):
        warehouse.execute(("DELETE FROM warehouse.derived", {}), ("DELETE FROM ops.none", {}))
    assert state(warehouse) == before


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A full disk, by the kernel: a write beyond `size` fails as it would there."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_apply__a_full_disk_leaves_the_old_rows(in_file: DuckDBWarehouse) -> None:
    in_file.apply(a_load(told("old")))
    before = state(in_file)
    many = told(*(f"n{n}" for n in range(60_000)))
    assert in_file.path is not None
    room = in_file.path.stat().st_size + 8192
    with files_of_at_most(room), pytest.raises((LoadError, WarehouseError), match="nothing was ch"):
        in_file.apply(a_load(many, "d2"))
    assert state(in_file) == before
    assert in_file.apply(a_load(many, "d2")).row_counts["derived"] == 60_000


# --- connections ------------------------------------------------------------------------------


def test_query__reads_rows_with_parameters(warehouse: DuckDBWarehouse) -> None:
    warehouse.apply(a_load(told("a", "b")))
    found = warehouse.query("SELECT name FROM warehouse.derived WHERE name = :name", {"name": "b"})
    assert found.to_pylist() == [{"name": "b"}]


def test_query__thinks_in_utc(warehouse: DuckDBWarehouse) -> None:
    found = warehouse.query("SELECT EXTRACT(hour FROM TIMESTAMP '2022-01-11 20:00:00' "
                            "AT TIME ZONE 'Europe/Berlin') AS hour_of_day")  # fmt: skip
    assert found.to_pylist() == [{"hour_of_day": 19}]


def test_query__before_any_load_says_so(tmp_path: Path) -> None:
    empty = DuckDBWarehouse(tmp_path / "none.duckdb")
    with pytest.raises(NoWarehouse, match="load some hours first"):
        empty.query("SELECT * FROM ops.ledger")
    assert not (tmp_path / "none.duckdb").exists()


def test_query__of_a_file_without_tables_says_so(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    duckdb.connect(str(path)).close()
    with pytest.raises(NoWarehouse, match="load some hours first"):
        DuckDBWarehouse(path).query("SELECT * FROM ops.ledger")


def test_query__of_a_file_that_is_no_database_says_which(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(WarehouseError, match=r"cannot open .*warehouse\.duckdb"):
        DuckDBWarehouse(path).query("SELECT 1 AS one")


def test_apply__a_file_moved_away_is_made_again(in_file: DuckDBWarehouse, tmp_path: Path) -> None:
    in_file.apply(a_load(told("a")))
    assert in_file.path is not None
    in_file.path.rename(tmp_path / "away.duckdb")
    with_tables(in_file)
    assert in_file.apply(a_load(told("b"))).row_counts == {"given": 1, "derived": 1}
    assert names(in_file) == ["b"]


HOLD = """
import duckdb, sys
held = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the file open for writing."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "held\n"
        yield child
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("what", ["apply", "query"])
def test_locked_file__is_waited_for_and_then_an_error_that_names_the_holder(
    in_file: DuckDBWarehouse, what: str
) -> None:
    in_file.apply(a_load(told("old")))
    before = state(in_file)
    assert in_file.path is not None
    impatient = DuckDBWarehouse(in_file.path, patience_s=0.6)
    tries = {
        "apply": lambda: impatient.apply(a_load(told("new"), "d2")),
        "query": lambda: impatient.query("SELECT 1 AS one"),
    }
    with holder(in_file.path) as child:
        began = time.monotonic()
        with pytest.raises(WarehouseError, match=rf"locked by process {child.pid} .*close the pr"):
            tries[what]()
        assert 0.3 < time.monotonic() - began < 5
    assert state(in_file) == before


def test_locked_file__is_loaded_once_it_is_free(in_file: DuckDBWarehouse) -> None:
    assert in_file.path is not None
    with holder(in_file.path) as child:
        timer = threading.Timer(0.5, child.kill)
        timer.start()
        assert in_file.apply(a_load(told("new"))).row_counts["derived"] == 1
        timer.join()


def test_two_warehouses__of_one_process_wait_for_each_other(in_file: DuckDBWarehouse) -> None:
    in_file.apply(a_load(told("a")))
    assert in_file.path is not None
    other = DuckDBWarehouse(in_file.path, patience_s=20)
    errors: list[Exception] = []

    def read() -> None:
        for _ in range(15):
            try:
                assert len(names(other)) == 1
            except Exception as error:
                errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(10):
        in_file.apply(a_load(told(f"n{number}"), f"d{number}"))
    reader.join()
    assert errors == []


READ = """
import sys
from pathlib import Path
from charging_assets.storage.warehouse_duckdb import DuckDBWarehouse

warehouse, seen = DuckDBWarehouse(Path(sys.argv[1])), 0
print("reading", flush=True)
while not Path(sys.argv[2]).exists():
    rows = warehouse.query("SELECT COUNT(*) AS n, COUNT(DISTINCT amount) AS m FROM staging.given")
    assert rows.to_pylist() == [{"n": 500, "m": 1}], rows.to_pylist()
    seen += 1
print(seen)
"""


def test_reader__never_makes_a_load_fail_and_sees_whole_loads(
    in_file: DuckDBWarehouse, tmp_path: Path
) -> None:
    many = [f"n{number}" for number in range(500)]
    in_file.apply(a_load(told(*many, amount=0)))
    stop = tmp_path / "stop"
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READ, str(in_file.path), str(stop)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "reading\n"
        for number in range(1, 16):
            in_file.apply(a_load(told(*many, amount=number), f"d{number}"))
    finally:
        stop.touch()
        ended = [reader.communicate(timeout=60) for reader in readers]
    assert [reader.returncode for reader in readers] == [0, 0], ended
    assert all(int(out) > 0 for out, _ in ended)


def test_memory__a_reader_never_sees_half_a_load() -> None:
    warehouse = with_tables(DuckDBWarehouse(None))
    warehouse.apply(a_load(told("a", "b")))
    counts: set[Any] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                found = warehouse.query("SELECT COUNT(*) AS n FROM staging.given")
                counts.add(found["n"][0].as_py())
            except Exception as error:
                counts.add(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(20):
        warehouse.apply(a_load(told("a", "b"), f"d{number}"))
    done.set()
    reader.join()
    assert counts == {2}


# --- migration --------------------------------------------------------------------------------


def columns(warehouse: DuckDBWarehouse) -> list[Any]:
    return warehouse.query(
        "SELECT table_schema, table_name, column_name FROM information_schema.columns "
        "ORDER BY 1, 2, 3"
    ).to_pylist()


def made_by(tables: tuple[Table, ...], path: Path) -> None:
    """A warehouse file that code with other tables made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migration, "TABLES", tables)
        patch.setattr(migration, "sql_names", lambda folder: [])
        DuckDBWarehouse(path).execute(("SELECT 1", {}))


def without(name: str) -> tuple[Table, ...]:
    older = replace(FACT_STATUS, columns=tuple(c for c in FACT_STATUS.columns if c.name != name))
    return tuple(older if table is FACT_STATUS else table for table in TABLES)


def test_migrate__makes_every_table_and_view(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    warehouse.execute()
    for table in TABLES:
        assert (
            tuple(warehouse.query(f"SELECT * FROM {table.full_name}").column_names) == table.names
        )
    assert warehouse.query("SELECT * FROM original.time").num_rows == 0


def test_migrate__again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    DuckDBWarehouse(path).execute()
    before = columns(DuckDBWarehouse(path))
    again = DuckDBWarehouse(path)
    again.execute()
    again.execute(("DELETE FROM ops.schema_digest", {}))
    DuckDBWarehouse(path).execute()
    assert columns(again) == before
    assert again.query("SELECT COUNT(*) AS n FROM ops.schema_digest").to_pylist() == [{"n": 1}]


def test_migrate__a_missing_nullable_column_comes_back_and_rows_stay(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    made_by(without("parking_status"), path)
    old = DuckDBWarehouse(path)
    old._is_migrated = True
    filled = [c for c in FACT_STATUS.columns if not c.nullable]
    values = {
        "slot_at": AT,
        "first_slot_at": AT,
        "last_slot_at": AT,
        "evse_key": 1,
        "poll_count": 1,
    }
    old.execute(
        (
            f"INSERT INTO warehouse.fact_status ({', '.join(c.name for c in filled)}) "
            f"VALUES ({', '.join(':' + c.name for c in filled)})",
            {c.name: values.get(c.name, "x") for c in filled},
        )
    )
    new = DuckDBWarehouse(path)
    new.execute()
    (row,) = new.query("SELECT * FROM warehouse.fact_status").to_pylist()
    assert set(row) == set(FACT_STATUS.names)
    assert (row["parking_status"], row["evse_key"]) == (None, 1)


def test_migrate__a_missing_table_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    made_by(tuple(table for table in TABLES if table is not FACT_STATUS), path)
    DuckDBWarehouse(path).execute()
    assert DuckDBWarehouse(path).query("SELECT * FROM warehouse.fact_status").num_rows == 0


def test_migrate__a_missing_not_null_column_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    made_by(without("poll_count"), path)
    before = columns(DuckDBWarehouse(path))
    with pytest.raises(CannotMigrate, match=r"fact_status lacks the column poll_count.*load again"):
        DuckDBWarehouse(path).execute()
    assert columns(DuckDBWarehouse(path)) == before


def test_apply__what_is_bound_is_known_to_later_steps_and_their_scopes(
    warehouse: DuckDBWarehouse,
) -> None:
    warehouse.apply(a_load(told("a", "b")))
    greatest = Bind(("latest",), "SELECT MAX(name) AS latest FROM staging.given")
    scope = Scope("name = :latest AND slot_at >= :since", {"since": AT})
    select = "SELECT slot_at, name, amount + 10 AS amount FROM staging.given WHERE name = :latest"
    plan = replace(a_load(told("a", "b")), steps=(greatest, Replace(DERIVED, scope, select)))
    warehouse.apply(replace(plan, asset="later", skip_if_same=False))
    found = warehouse.query("SELECT name, amount FROM warehouse.derived ORDER BY name")
    assert found.to_pylist() == [{"name": "a", "amount": 2}, {"name": "b", "amount": 11}]

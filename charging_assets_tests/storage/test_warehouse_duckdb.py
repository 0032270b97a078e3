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
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.facts import FACT_STATUS
from charging_assets.schemas.table import Table
from charging_assets.storage import migrate as migration
from charging_assets.storage.migrate import CannotMigrate
from charging_assets.storage.plan import (
    LoadError,
)
from charging_assets.storage.warehouse import NoWarehouse, WarehouseError
from charging_assets.storage.warehouse_duckdb import DuckDBWarehouse, _DuckDBSession
from charging_assets_tests.storage.loads import (
    AT,
    a_load,
    made_tables,
    names,
    state,
    told,
)


def with_tables(warehouse: DuckDBWarehouse) -> DuckDBWarehouse:
    warehouse.execute(*made_tables("duckdb"))
    return warehouse


@pytest.fixture
def in_file(tmp_path: Path) -> DuckDBWarehouse:
    return with_tables(DuckDBWarehouse(tmp_path / "warehouse.duckdb", patience_s=20))


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


@pytest.mark.fault(
    "The disk is full",
    area="storage",
)
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


def test_query__before_any_load_says_so(tmp_path: Path) -> None:
    empty = DuckDBWarehouse(tmp_path / "none.duckdb")
    with pytest.raises(NoWarehouse, match="load some hours first"):
        empty.query("SELECT * FROM ops.ledger")
    assert not (tmp_path / "none.duckdb").exists()


def test_query__of_a_file_without_tables_makes_them_first(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    duckdb.connect(str(path)).close()
    assert DuckDBWarehouse(path).query("SELECT * FROM ops.ledger").num_rows == 0


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


def test_apply__many_rows_in_whatever_chunks_are_all_there_in_order(tmp_path: Path) -> None:
    warehouse = with_tables(DuckDBWarehouse(tmp_path / "warehouse.duckdb"))
    given = [f"n{number}" for number in range(300_000)]
    rows = pa.concat_tables([told(*given[at : at + 131_072]) for at in (0, 131_072, 262_144)])
    warehouse.apply(a_load(rows, steps=a_load(rows).steps[:1]))
    found = warehouse.query("SELECT name, slot_at, amount FROM staging.given")
    assert found["name"].to_pylist() == given
    assert (set(found["slot_at"].to_pylist()), set(found["amount"].to_pylist())) == ({AT}, {1})


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

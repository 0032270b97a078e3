"""DuckDB's lock: which process waits, and that no reader sees a partial load."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.interface import WarehouseError
from charging_assets_tests.warehouse.loads import a_load, names, sample_rows, state, with_tables

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
    in_file.apply(a_load(sample_rows("old")))
    before = state(in_file)
    assert in_file.path is not None
    reader = DuckDBWarehouse(in_file.path, lock_timeout_s=0.6)
    calls = {
        "apply": lambda: reader.apply(a_load(sample_rows("new"), "d2")),
        "query": lambda: reader.query("SELECT 1 AS one"),
    }
    with holder(in_file.path) as child:
        began = time.monotonic()
        with pytest.raises(WarehouseError, match=rf"locked by process {child.pid} .*close the pr"):
            calls[what]()
        assert 0.3 < time.monotonic() - began < 15
    assert state(in_file) == before


def test_locked_file__is_loaded_once_it_is_free(in_file: DuckDBWarehouse) -> None:
    assert in_file.path is not None
    with holder(in_file.path) as child:
        timer = threading.Timer(0.5, child.kill)
        timer.start()
        assert in_file.apply(a_load(sample_rows("new"))).row_counts["derived"] == 1
        timer.join()


def test_two_warehouses__of_one_process_wait_for_each_other(in_file: DuckDBWarehouse) -> None:
    in_file.apply(a_load(sample_rows("a")))
    assert in_file.path is not None
    other = DuckDBWarehouse(in_file.path, lock_timeout_s=20)
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
        in_file.apply(a_load(sample_rows(f"n{number}"), f"d{number}"))
    reader.join()
    assert errors == []


READ = """
import sys
from pathlib import Path
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse

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
    in_file.apply(a_load(sample_rows(*many, amount=0)))
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
            in_file.apply(a_load(sample_rows(*many, amount=number), f"d{number}"))
    finally:
        stop.touch()
        ended = [reader.communicate(timeout=60) for reader in readers]
    assert [reader.returncode for reader in readers] == [0, 0], ended
    assert all(int(out) > 0 for out, _ in ended)


def test_memory__a_reader_never_sees_half_a_load() -> None:
    warehouse = with_tables(DuckDBWarehouse(None))
    warehouse.apply(a_load(sample_rows("a", "b")))
    counts: set[Any] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                rows = warehouse.query("SELECT COUNT(*) AS n FROM staging.given")
                counts.add(rows["n"][0].as_py())
            except Exception as error:
                counts.add(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(20):
        warehouse.apply(a_load(sample_rows("a", "b"), f"d{number}"))
    done.set()
    reader.join()
    assert counts == {2}
